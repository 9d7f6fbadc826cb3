//! From what each pixel belongs to, to a picture of it.

use super::noise::{Blur, Noise};
use super::{AREA, Kind, LABELS, Layout, SIDE};

/// Grey values of this share of the pixels, at each end, become black and white.
const CLIPPED: f32 = 0.005;

/// Textures weaker than this are not worth their time.
const LEAST_TEXTURE: f32 = 0.02;

/// How one label looks.
#[derive(Clone, Copy)]
struct Look {
    /// Grey, 0..=1.
    mean: f32,
    /// Deviation of its texture, and how coarse that is.
    texture: f32,
    coarseness: f32,
}

/// How all pictures of a task look.
struct Style {
    looks: [Look; LABELS],
    /// Deviation of a label's grey from picture to picture.
    jitter: f32,
    blur: f32,
    grain: f32,
    /// How uneven the light is.
    shade: f32,
}

impl Style {
    fn pick(noise: &mut Noise, layout: &Layout) -> Self {
        let mut looks = [(); LABELS].map(|()| Look {
            mean: noise.uniform(),
            texture: noise.range(0.0, 0.15),
            coarseness: noise.range(0.6, 3.0),
        });
        if layout.kind == Kind::Network {
            // Cells that differ hardly do.
            looks[3].mean = looks[0].mean + 0.08 * noise.normal();
        }
        let ground = (0..LABELS as u8).find(|label| !layout.target.contains(label));
        let ground = looks[usize::from(ground.unwrap_or(0))].mean;
        for &label in &layout.target {
            let mean = &mut looks[usize::from(label)].mean;
            if (*mean - ground).abs() < 0.12 {
                *mean = (*mean + 0.4) % 1.0;
            }
        }
        Self {
            looks,
            jitter: noise.range(0.0, 0.08),
            blur: noise.range(0.4, 1.4),
            grain: noise.range(0.0, 0.08),
            shade: noise.range(0.0, 0.1),
        }
    }

    fn paint(&self, noise: &mut Noise, map: &[u8], margin: usize, blur: &mut Blur) -> Vec<u8> {
        let means = self
            .looks
            .map(|look| look.mean + self.jitter * noise.normal());
        let mut picture: Vec<f32> = map.iter().map(|&label| means[usize::from(label)]).collect();
        for (label, look) in (0u8..).zip(&self.looks) {
            if look.texture > LEAST_TEXTURE && map.contains(&label) {
                let texture = noise.smooth(look.coarseness);
                for ((value, own), texture) in picture.iter_mut().zip(map).zip(texture) {
                    let strength = if *own == label { look.texture } else { 0.0 };
                    *value += strength * texture;
                }
            }
        }
        blur.run(&mut picture, SIDE, self.blur);
        let mut grain = vec![0.0; AREA];
        noise.white(&mut grain);
        let shade = noise.smooth(30.0);
        for ((value, grain), shade) in picture.iter_mut().zip(grain).zip(shade) {
            *value += self.grain * grain + self.shade * shade;
        }
        if margin > 0 {
            let black = picture.iter().copied().fold(f32::MAX, f32::min);
            for row in picture.chunks_exact_mut(SIDE) {
                row[..margin].fill(black);
                row[SIDE - margin..].fill(black);
            }
        }
        to_bytes(&picture)
    }
}

/// Spread over 0..=255, but for the darkest and the brightest pixels.
fn to_bytes(picture: &[f32]) -> Vec<u8> {
    let clipped = (CLIPPED * picture.len() as f32) as usize;
    let mut sorted = picture.to_vec();
    let (_, &mut low, _) = sorted.select_nth_unstable_by(clipped, f32::total_cmp);
    let last = sorted.len() - 1 - clipped;
    let (_, &mut high, _) = sorted.select_nth_unstable_by(last, f32::total_cmp);
    let factor = 255.0 / (high - low + 1e-6);
    let bytes = picture.iter().map(|value| (value - low) * factor + 0.5);
    bytes.map(|value| value as u8).collect()
}

/// A picture of every map.
pub(super) fn pictures(noise: &mut Noise, layout: &Layout) -> Vec<Vec<u8>> {
    let style = Style::pick(noise, layout);
    let mut blur = Blur::default();
    let maps = layout.maps.iter();
    maps.map(|map| style.paint(noise, map, layout.margin, &mut blur))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greys_are_spread_and_outliers_clipped() {
        let picture: Vec<f32> = (0..1000).map(|value| value as f32 / 10.0).collect();
        let bytes = to_bytes(&picture);
        assert_eq!(bytes[..6], [0; 6]);
        assert_eq!(bytes[994..], [255; 6]);
        assert!((127..=128).contains(&bytes[500]), "{}", bytes[500]);
        // One grey alone.
        assert_eq!(to_bytes(&[0.3; 400]), [0; 400]);
    }

    #[test]
    fn the_target_stands_out_from_the_ground() {
        for index in 0..50 {
            let layout = Layout {
                kind: Kind::Scatter,
                maps: vec![],
                target: vec![1],
                margin: 0,
            };
            let style = Style::pick(&mut Noise::new(6, index), &layout);
            let contrast = (style.looks[1].mean - style.looks[0].mean).abs();
            assert!(contrast >= 0.12, "{index}: {contrast}");
        }
    }
}
