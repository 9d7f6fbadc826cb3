//! From pixels to the tower's bytes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use shared::preprocess::{
    Colour, Crop, Fit, Image, MAX_SIDE, PicturePreprocess, PreprocessError, Quantization, Tone,
};

fn spec(width: u16, height: u16) -> PicturePreprocess {
    PicturePreprocess {
        width,
        height,
        colour: Colour::Grey,
        tone: Tone::Keep,
        crop: Crop::Whole,
        fit: Fit::Stretch,
        quantization: Quantization {
            scale: 1.0,
            zero_point: 0,
        },
    }
}

fn run(spec: PicturePreprocess, width: u32, height: u32, pixels: &[u8]) -> Vec<u8> {
    let image = Image::new(width, height, 1, pixels).unwrap();
    let mut output = vec![0; spec.output_len()];
    spec.run(&image, &mut output).unwrap();
    output
}

fn specs() -> impl Strategy<Value = PicturePreprocess> {
    let tone = prop_oneof![
        Just(Tone::Keep),
        Just(Tone::Invert),
        Just(Tone::Ink),
        Just(Tone::Equalize),
        Just(Tone::Standardize),
    ];
    let crop = prop_oneof![Just(Crop::Whole), Just(Crop::CentreSquare), Just(Crop::Ink)];
    let fit = prop_oneof![
        Just(Fit::Stretch),
        Just(Fit::Contain),
        Just(Fit::CentreOfMass)
    ];
    (1u16..40, 1u16..40, tone, crop, fit).prop_map(|(width, height, tone, crop, fit)| {
        PicturePreprocess {
            tone,
            crop,
            fit,
            ..spec(width, height)
        }
    })
}

proptest! {
    #[test]
    fn its_own_size_changes_nothing(pixels in prop::collection::vec(any::<u8>(), 35)) {
        prop_assert_eq!(run(spec(7, 5), 7, 5, &pixels), pixels);
    }

    /// A blank sheet, or a covered lens, would be as near to the next one as can be.
    #[test]
    fn a_picture_of_nothing_is_refused(spec in specs(), value: u8, from in (1u32..50, 1u32..50)) {
        let pixels = vec![value; (from.0 * from.1) as usize];
        let image = Image::new(from.0, from.1, 1, &pixels).unwrap();
        let mut output = vec![0; spec.output_len()];
        prop_assert_eq!(spec.run(&image, &mut output), Err(PreprocessError::Blank));
    }

    #[test]
    fn flat_areas_stay_flat(values: [u8; 2], sides in (2u32..25, 1u16..25)) {
        prop_assume!(values[0] != values[1]);
        let (side, to) = (2 * sides.0, 2 * sides.1);
        let pixels: Vec<u8> = (0..side * side).map(|i| values[usize::from(i % side >= side / 2)]).collect();
        let output = run(spec(to, to), side, side, &pixels);
        // Bilinear weights reach one pixel across the edge, enlarged as the picture is.
        let reach = (u32::from(to) / side + 1) as usize;
        for (x, &found) in output.iter().take(usize::from(to)).enumerate() {
            let half = usize::from(to) / 2;
            if x + reach < half || x >= half + reach {
                prop_assert_eq!(found, values[usize::from(x >= half)]);
            }
        }
    }

    #[test]
    fn lighter_pixels_never_make_it_darker(
        pixels in prop::collection::vec((any::<u8>(), any::<u8>()), 12 * 9), to in (1u16..20, 1u16..20)
    ) {
        let darker: Vec<u8> = pixels.iter().map(|(a, b)| *a.min(b)).collect();
        let lighter: Vec<u8> = pixels.iter().map(|(a, b)| *a.max(b)).collect();
        let [darker, lighter] = [darker, lighter].map(|p| run(spec(to.0, to.1), 12, 9, &p));
        prop_assert!(darker.iter().zip(&lighter).all(|(d, l)| d <= l));
    }

    #[test]
    fn shrinking_keeps_the_mean(pixels in prop::collection::vec(any::<u8>(), 32 * 32)) {
        let mean = |p: &[u8]| p.iter().map(|&v| f64::from(v)).sum::<f64>() / p.len() as f64;
        let output = run(spec(16, 16), 32, 32, &pixels);
        // Borders weigh a little otherwise than the middle.
        prop_assert!((mean(&pixels) - mean(&output)).abs() < 6.0);
    }

    #[test]
    fn any_picture_is_taken(spec in specs(), width in 1u32..60, height in 1u32..60, seed: u8, rgb: bool) {
        let channels = if rgb { 3 } else { 1 };
        let length = (width * height) as usize * channels;
        let pixels: Vec<u8> = (0..length).map(|i| (i as u8).wrapping_mul(37) ^ seed).collect();
        let image = Image::new(width, height, channels as u8, &pixels).unwrap();
        let mut output = vec![0; spec.output_len()];
        let ran = spec.run(&image, &mut output);
        // Three bytes of a pixel may differ and give the same luma.
        let may_be_blank = width * height < 3 || spec.tone == Tone::Ink;
        prop_assert!(ran.is_ok() || may_be_blank && ran == Err(PreprocessError::Blank));
        output.push(0);
        let refused = spec.run(&image, &mut output);
        let is_length = matches!(refused, Err(PreprocessError::Output { .. }));
        prop_assert!(is_length, "{:?}", refused);
    }

    /// Each channel of a coloured input is what its plane alone, a grey picture, gives.
    #[test]
    fn colours_are_planes(
        spec in specs(), invert: bool, width in 2u32..30, height in 1u32..30, seed in 0u32..1000,
    ) {
        // A plane of its own would have other statistics, and another centre.
        let spec = PicturePreprocess {
            tone: if invert { Tone::Invert } else { Tone::Keep },
            crop: if spec.crop == Crop::Ink { Crop::Whole } else { spec.crop },
            fit: if spec.fit == Fit::CentreOfMass { Fit::Contain } else { spec.fit },
            ..spec
        };
        let coloured = PicturePreprocess { colour: Colour::Rgb, ..spec };
        prop_assert!(coloured.is_valid());
        let ink = PicturePreprocess { tone: Tone::Ink, ..coloured };
        prop_assert!(!ink.is_valid());
        let byte = |i: u32| ((i + seed).wrapping_mul(0x9E37_79B1) >> 24) as u8;
        let pixels: Vec<u8> = (0..3 * width * height).map(byte).collect();
        let image = Image::new(width, height, 3, &pixels).unwrap();
        let mut output = vec![0; coloured.output_len()];
        prop_assume!(coloured.run(&image, &mut output).is_ok());
        for channel in 0..3 {
            let of = |values: &[u8]| -> Vec<u8> {
                values.iter().copied().skip(channel).step_by(3).collect()
            };
            let plane = of(&pixels);
            let grey = Image::new(width, height, 1, &plane).unwrap();
            let mut expected = vec![0; spec.output_len()];
            // A plane may be the same everywhere where the picture is not.
            if spec.run(&grey, &mut expected).is_ok() {
                prop_assert_eq!(&of(&output), &expected);
            }
        }
    }

    /// In real numbers, of every intensity that occurs.
    #[test]
    fn light_is_evened_out(pixels in prop::collection::vec(any::<u8>(), 12 * 9)) {
        prop_assume!(pixels.iter().any(|&v| v != pixels[0]));
        let with = |tone| run(PicturePreprocess { tone, ..spec(12, 9) }, 12, 9, &pixels);
        let (equalized, standardized) = (with(Tone::Equalize), with(Tone::Standardize));
        let count = pixels.len() as f64;
        let mean = pixels.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
        let variance = pixels.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
        let darkest = pixels.iter().min().unwrap();
        let up_to = |v: u8| pixels.iter().filter(|&&other| other <= v).count() as f64;
        for (index, &v) in pixels.iter().enumerate() {
            let rank = 255.0 * (up_to(v) - up_to(*darkest)) / (count - up_to(*darkest));
            prop_assert!((f64::from(equalized[index]) - rank).abs() <= 0.5 + 1e-9);
            let away = 128.0 + 48.0 * (f64::from(v) - mean) / variance.sqrt();
            let away = away.clamp(0.0, 255.0);
            prop_assert!((f64::from(standardized[index]) - away).abs() <= 0.6);
        }
    }

    /// Brightness and contrast, where nothing is cut off, change nothing but rounding.
    #[test]
    fn standardized_pictures_know_no_brightness(
        pixels in prop::collection::vec(0u8..100, 64), brighter in 0u8..50,
    ) {
        prop_assume!(pixels.iter().any(|&v| v.abs_diff(pixels[0]) > 3));
        let with = |pixels: &[u8]| run(PicturePreprocess { tone: Tone::Standardize, ..spec(8, 8) }, 8, 8, pixels);
        let other: Vec<u8> = pixels.iter().map(|&v| 2 * v + brighter).collect();
        for (a, b) in with(&pixels).iter().zip(with(&other)) {
            prop_assert!(a.abs_diff(b) <= 1, "{} {}", a, b);
        }
    }

    /// A region is what is left when everything around it is cut away.
    #[test]
    fn a_region_is_a_picture_of_its_own(
        spec in specs(), from in (0u32..9, 0u32..9), part in (1u32..20, 1u32..20), after in (0u32..9, 0u32..9),
        rgb: bool, seed in 0u32..1000,
    ) {
        let size = (from.0 + part.0 + after.0, from.1 + part.1 + after.1);
        let channels = if rgb { 3 } else { 1 };
        let byte = |i: u32| ((i + seed).wrapping_mul(0x9E37_79B1) >> 24) as u8;
        let pixels: Vec<u8> = (0..size.0 * size.1 * channels).map(byte).collect();
        let row = |y: u32| {
            let first = ((y * size.0 + from.0) * channels) as usize;
            pixels[first..first + (part.0 * channels) as usize].to_vec()
        };
        let cut: Vec<u8> = (from.1..from.1 + part.1).flat_map(row).collect();
        let cut = Image::new(part.0, part.1, channels as u8, &cut).unwrap();
        let whole = Image::new(size.0, size.1, channels as u8, &pixels).unwrap();
        let region = whole.region([from.0, from.1], [part.0, part.1]).unwrap();
        let [mut of_region, mut of_cut] = [(); 2].map(|()| vec![0; spec.output_len()]);
        prop_assert_eq!(spec.run(&region, &mut of_region), spec.run(&cut, &mut of_cut));
        prop_assert_eq!(of_region, of_cut);
        prop_assert!(whole.region([from.0, from.1], [size.0 + 1, part.1]).is_err());
        prop_assert!(whole.region([u32::MAX, 0], [1, 1]).is_err());
        prop_assert!(whole.region([0, 0], [0, 1]).is_err());
    }

    /// Wherever ink is, its centre of mass lands in the middle, all of it inside.
    #[test]
    fn ink_balances_in_the_middle(
        at in prop::collection::vec((0u32..40, 0u32..24), 3..12), to in (16u16..64, 16u16..64),
    ) {
        let mut pixels = vec![255u8; 40 * 24];
        at.iter().for_each(|(x, y)| pixels[(y * 40 + x) as usize] = 0);
        let spec = PicturePreprocess { tone: Tone::Ink, crop: Crop::Ink, fit: Fit::CentreOfMass, ..spec(to.0, to.1) };
        let output = run(spec, 40, 24, &pixels);
        let weigh = |place: &dyn Fn(usize) -> usize| {
            let of = |(index, &v): (usize, &u8)| (place(index) as f64 + 0.5) * f64::from(v);
            let mass: f64 = output.iter().map(|&v| f64::from(v)).sum();
            output.iter().enumerate().map(of).sum::<f64>() / mass
        };
        let width = usize::from(to.0);
        let (x, y) = (weigh(&|index| index % width), weigh(&|index| index / width));
        // Places are whole pixels, and borders blur ink that touches them inwards.
        let slack = |side: u16| 1.0 + f64::from(side) / 12.0;
        prop_assert!((x - f64::from(to.0) / 2.0).abs() < slack(to.0), "{} of {}", x, to.0);
        prop_assert!((y - f64::from(to.1) / 2.0).abs() < slack(to.1), "{} of {}", y, to.1);
    }

    /// Ink on paper: the paper vanishes, whatever its grey, and the darkest ink is 255.
    #[test]
    fn ink_is_told_from_paper(paper in 150u8..=255, ink in 0u8..90, at in 0usize..64) {
        let mut pixels = [paper; 64];
        pixels[at] = ink;
        let output = run(PicturePreprocess { tone: Tone::Ink, ..spec(8, 8) }, 8, 8, &pixels);
        for (index, &value) in output.iter().enumerate() {
            prop_assert_eq!(value, if index == at { 255 } else { 0 });
        }
    }
}

#[test]
fn luma_weighs_colours_as_the_standard_says() {
    for (colour, expected) in [
        ([255, 0, 0], 77),
        ([0, 255, 0], 149),
        ([0, 0, 255], 29),
        ([255; 3], 255),
    ] {
        let pixels = [colour, [0; 3]].concat();
        let image = Image::new(2, 1, 3, &pixels).unwrap();
        let mut output = [0; 2];
        spec(2, 1).run(&image, &mut output).unwrap();
        assert_eq!(output, [expected, 0], "{colour:?}");
    }
}

#[test]
fn cropping_finds_the_ink_and_containing_keeps_its_proportions() {
    let mut pixels = [255u8; 20 * 10];
    for (x, y) in [(4, 3), (11, 3), (4, 6), (11, 6)] {
        pixels[y * 20 + x] = 0;
    }
    let spec = |fit| PicturePreprocess {
        tone: Tone::Ink,
        crop: Crop::Ink,
        fit,
        ..spec(8, 8)
    };
    // Eight by four of ink: as wide as the input, two empty rows above and below.
    let output = run(spec(Fit::Contain), 20, 10, &pixels);
    let corners: Vec<usize> = (0..64).filter(|&index| output[index] > 0).collect();
    assert_eq!(corners, [16, 23, 40, 47]);
    let stretched = run(spec(Fit::Stretch), 20, 10, &pixels);
    assert!(stretched[0] > 0 && stretched[63] > 0);
}

#[test]
fn sizes_beyond_the_limits_are_refused() {
    for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (1, u32::MAX)] {
        assert!(Image::new(width, height, 1, &[0]).is_err());
    }
    assert!(Image::new(2, 2, 2, &[0; 8]).is_err());
    assert!(Image::new(2, 2, 1, &[0; 5]).is_err());
    let mut long = vec![9; MAX_SIDE as usize];
    long[..5000].fill(8);
    assert_eq!(run(spec(3, 4), 1, MAX_SIDE, &long)[..3], [8; 3]);
    assert_eq!(run(spec(3, 4), 1, MAX_SIDE, &long)[9..], [9; 3]);
}

/// What artifacts hold: a number for each choice, which must stay for ever.
#[test]
fn choices_keep_their_numbers() {
    let tones = [
        Tone::Keep,
        Tone::Invert,
        Tone::Ink,
        Tone::Equalize,
        Tone::Standardize,
    ];
    let crops = [Crop::Whole, Crop::CentreSquare, Crop::Ink];
    let fits = [Fit::Stretch, Fit::Contain, Fit::CentreOfMass];
    let mut buffer = [0; 32];
    let mut first = |spec: PicturePreprocess| {
        let bytes = postcard::to_slice(&spec, &mut buffer).unwrap();
        bytes[..6].to_vec()
    };
    for (number, tone) in (0u8..).zip(tones) {
        assert_eq!(
            first(PicturePreprocess { tone, ..spec(7, 5) }),
            [7, 5, 0, number, 0, 0]
        );
    }
    for (number, crop) in (0u8..).zip(crops) {
        assert_eq!(
            first(PicturePreprocess { crop, ..spec(7, 5) }),
            [7, 5, 0, 0, number, 0]
        );
    }
    for (number, fit) in (0u8..).zip(fits) {
        assert_eq!(
            first(PicturePreprocess { fit, ..spec(7, 5) }),
            [7, 5, 0, 0, 0, number]
        );
    }
}

#[test]
fn a_far_stroke_moves_nothing_else() {
    // A block of ink and a stroke of a pixel far to its right: contained, the block moves
    // to the left; balanced, it stays near the middle.
    let mut pixels = vec![255u8; 64 * 32];
    for y in 10..22 {
        pixels[y * 64 + 4..y * 64 + 20].fill(0);
    }
    pixels[16 * 64 + 50] = 0;
    let middle = |fit| {
        let spec = PicturePreprocess {
            tone: Tone::Ink,
            crop: Crop::Ink,
            fit,
            ..spec(64, 32)
        };
        let output = run(spec, 64, 32, &pixels);
        let row = &output[16 * 64..17 * 64];
        let dark: Vec<usize> = (0..64).filter(|&x| row[x] > 200).collect();
        dark.iter().sum::<usize>() / dark.len()
    };
    assert!(middle(Fit::Contain) < 16);
    assert!((28..=34).contains(&middle(Fit::CentreOfMass)));
}
