//! The three steps against their definitions, written as naively as can be.

use edge_runtime::kernels::{compare, unit_vectors, upsample};
use proptest::prelude::*;
use shared::artifact::plan::{Compare, Place, UnitVectors, Upsample};
use shared::segmentation::References;

fn place(height: u16, width: u16, channels: u16) -> Place {
    Place {
        offset: 0,
        height,
        width,
        channels,
    }
}

/// The nearest integers to 127 times the unit vector, halves away from zero, by trying all.
fn unit(values: &[i64]) -> Vec<i64> {
    let squares: i64 = values.iter().map(|v| v * v).sum();
    let nearest = |value: i64| {
        // The largest m with m - 1/2 at most 127 |v| / length.
        let reaches = |m: &i64| (2 * m - 1).pow(2) * squares <= (2 * 127 * value).pow(2);
        (1..=127).take_while(reaches).last().unwrap_or(0) * value.signum()
    };
    match squares {
        0 => vec![0; values.len()],
        _ => values.iter().map(|&value| nearest(value)).collect(),
    }
}

/// A cosine's byte, real numbers rounded halves away from zero.
fn byte(product: f64) -> u8 {
    (128.0 + (product / 127.0).round().clamp(-127.0, 127.0)) as u8
}

fn dot(a: &[i64], b: &[i64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum::<i64>() as f64
}

fn naive(step: &Compare, records: &[Vec<i8>], features: &[u8]) -> Vec<u8> {
    let (dim, cells) = (step.dim(), step.cells());
    let first = step.first as usize;
    let prototype = |record: &[i8], index: usize| -> Vec<i64> {
        let part = &record[first + index * dim..][..dim];
        part.iter().map(|&v| i64::from(v)).collect()
    };
    let mean = |which: usize| {
        let mut sum = vec![0; dim];
        for record in records {
            let prototype = prototype(record, which);
            sum.iter_mut().zip(prototype).for_each(|(s, v)| *s += v);
        }
        unit(&sum)
    };
    let means = [mean(0), mean(1)];
    let mut output = vec![];
    for (at, pixel) in features.chunks(dim).enumerate() {
        let pixel: Vec<i64> = pixel.iter().map(|&v| i64::from(v) - 128).collect();
        output.extend(means.iter().map(|mean| byte(dot(&pixel, mean))));
        for which in [0, 1].into_iter().filter(|_| cells > 0) {
            let cells = 2 + which * cells..2 + (which + 1) * cells;
            let all = records
                .iter()
                .flat_map(|record| cells.clone().map(|cell| prototype(record, cell)));
            let known = all.filter(|prototype| prototype.iter().any(|&v| v != 0));
            let largest = known.map(|p| dot(&pixel, &p)).fold(f64::MIN, f64::max);
            output.push(byte(largest));
        }
        if step.location {
            let place = first + step.prototypes() * dim + at;
            let shares = records.iter().map(|record| f64::from(record[place]));
            let mean = shares.sum::<f64>() / records.len().max(1) as f64;
            output.push((128.0 + (mean + 0.5).floor()) as u8);
        }
    }
    output
}

#[derive(Clone, Debug)]
struct Case {
    step: Compare,
    records: Vec<Vec<i8>>,
    features: Vec<u8>,
}

fn case() -> impl Strategy<Value = Case> {
    let sizes = (0u8..4, 1u16..3, 1u16..3, 1u16..20, any::<bool>());
    (sizes, 0u32..9, 0usize..=16).prop_flat_map(
        |((grid, rows, columns, channels, location), first, count)| {
            let cells = u16::from(grid.max(1));
            let mut step = Compare {
                features: place(rows * cells, columns * cells, channels),
                output: place(rows * cells, columns * cells, 0),
                grid,
                location,
                first,
            };
            step.output.channels = step.channels();
            let prototype = prop_oneof![
                4 => prop::collection::vec(any::<i16>(), usize::from(channels)),
                1 => Just(vec![0; usize::from(channels)]),
            ];
            let shares = prop::collection::vec(0i8..=127, step.pixels());
            let record = (prop::collection::vec(prototype, step.prototypes()), shares);
            let pixel = prop::collection::vec(any::<i16>(), usize::from(channels));
            let wide =
                |vector: &[i16]| unit(&vector.iter().map(|&v| v.into()).collect::<Vec<i64>>());
            (
                prop::collection::vec(record, count),
                prop::collection::vec(pixel, step.pixels()),
            )
                .prop_map(move |(records, pixels)| {
                    let record = |(prototypes, shares): (Vec<Vec<i16>>, Vec<i8>)| {
                        let before = vec![99i8; first as usize];
                        let units = prototypes.iter().flat_map(|p| wide(p));
                        let units = units.map(|v| v as i8);
                        let shares = shares.into_iter().filter(|_| location);
                        before.into_iter().chain(units).chain(shares).collect()
                    };
                    let pixels = pixels.iter().flat_map(|pixel| wide(pixel));
                    Case {
                        step,
                        records: records.into_iter().map(record).collect(),
                        features: pixels.map(|v| (v + 128) as u8).collect(),
                    }
                })
        },
    )
}

/// The bytes of the blocks of a kind in the document.
fn blocks(document: &str, kind: &str) -> Vec<Vec<u8>> {
    let open = format!("```{kind}\n");
    let blocks = document.split(open.as_str()).skip(1);
    let byte = |digits| u8::from_str_radix(digits, 16).unwrap();
    blocks
        .map(|block| block.split("```").next().unwrap())
        .map(|block| block.split_whitespace().map(byte).collect())
        .collect()
}

#[test]
fn the_documents_vector_is_what_is_computed() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../shared/docs/segmentation.md"
    );
    let document = std::fs::read_to_string(path).unwrap();
    let [features, _, record] = blocks(&document, "hex").try_into().unwrap();
    let step = Compare {
        features: place(2, 4, 3),
        output: place(2, 4, 5),
        grid: 2,
        location: true,
        first: 0,
    };
    let record: Vec<i8> = record.into_iter().map(|byte| byte as i8).collect();
    let mut output = vec![0; step.output.len()];
    let references = References::new(&record, step.record_len());
    compare::scalar::compare(&step, references, &features, &mut output);
    assert_eq!(blocks(&document, "output"), [output.clone()]);
    assert_eq!(output, naive(&step, &[record], &features));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pixels_are_compared_as_is_written(case in case(), filler in 0usize..5) {
        let length = case.step.first as usize + case.step.record_len();
        let mut records = vec![];
        for record in &case.records {
            records.extend_from_slice(record);
            records.extend(std::iter::repeat_n(77, filler));
        }
        let mut output = vec![1; case.step.output.len()];
        let references = References::new(&records, length + filler);
        prop_assert_eq!(references.count(), case.records.len());
        compare::scalar::compare(&case.step, references, &case.features, &mut output);
        prop_assert_eq!(output, naive(&case.step, &case.records, &case.features));
    }

    #[test]
    fn features_get_unit_length(
        channels in 1u16..=64,
        zero_point: u8,
        pixels in prop::collection::vec(any::<u8>(), 64..256),
    ) {
        let count = pixels.len() / usize::from(channels);
        let mut values = pixels[..count * usize::from(channels)].to_vec();
        let step = UnitVectors { place: place(1, count as u16, channels), zero_point };
        let expected: Vec<u8> = values
            .chunks(channels.into())
            .flat_map(|pixel| {
                let centred = pixel.iter().map(|&v| i64::from(v) - i64::from(zero_point));
                unit(&centred.collect::<Vec<_>>())
            })
            .map(|component| (component + 128) as u8)
            .collect();
        unit_vectors::scalar::unit_vectors(&step, &mut values);
        prop_assert_eq!(values, expected);
    }

    #[test]
    fn pixels_are_repeated(height in 1u16..9, width in 1u16..9, channels in 1u16..9, seed: u8) {
        let (input, output) = (place(height, width, channels), place(2 * height, 2 * width, channels));
        let from: Vec<u8> = (0..input.len()).map(|i| (i * 31) as u8 ^ seed).collect();
        let mut to = vec![0; output.len()];
        upsample::scalar::upsample(&Upsample { input, output }, &from, &mut to);
        let at = |y: usize, x: usize, c: usize, width: u16| (y * usize::from(width) + x) * usize::from(channels) + c;
        for y in 0..usize::from(2 * height) {
            for x in 0..usize::from(2 * width) {
                for c in 0..usize::from(channels) {
                    prop_assert_eq!(to[at(y, x, c, 2 * width)], from[at(y / 2, x / 2, c, width)]);
                }
            }
        }
    }
}
