//! What needs no network: masks that a network must be better than.

use serde::Serialize;

use super::dice::dice;
use super::engine::Reference;

/// Mean Dice coefficients of masks that need no network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Baselines {
    /// Everything is the structure.
    pub all_foreground: f64,
    /// The mask of the reference whose picture differs least, in the sum of squares.
    pub nearest_mask: f64,
    /// Whatever is darker, or lighter, than the threshold that Otsu's method finds in the query;
    /// which of both, the references say.
    pub otsu: f64,
    /// Whatever is darker, or lighter, than the threshold that fits the references best.
    pub fitted_threshold: f64,
}

impl Baselines {
    /// Each figure by itself.
    pub fn each(&self) -> [f64; 4] {
        [
            self.all_foreground,
            self.nearest_mask,
            self.otsu,
            self.fitted_threshold,
        ]
    }

    /// The mean of several.
    pub fn mean<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let count = all.clone().count().max(1) as f64;
        let mean = |of: fn(&Self) -> f64| all.clone().map(of).sum::<f64>() / count;
        Self {
            all_foreground: mean(|b| b.all_foreground),
            nearest_mask: mean(|b| b.nearest_mask),
            otsu: mean(|b| b.otsu),
            fitted_threshold: mean(|b| b.fitted_threshold),
        }
    }
}

/// What references say to methods without a network.
#[derive(Clone, Debug)]
pub struct Fitted<'a> {
    references: &'a [Reference<'a>],
    threshold: Threshold,
    /// Whether what Otsu's method finds light is the structure.
    otsu_light: bool,
}

/// Pixels on one side of a number.
#[derive(Clone, Copy, Debug)]
struct Threshold {
    /// The largest dark number.
    at: u8,
    /// Whether light pixels are meant.
    light: bool,
}

impl Threshold {
    fn mask(self, picture: &[u8]) -> Vec<u8> {
        let inside = picture.iter().map(|&value| (value > self.at) == self.light);
        inside.map(u8::from).collect()
    }

    /// How well it finds the masks of references.
    fn fits(self, references: &[Reference<'_>]) -> f64 {
        let all = references.iter();
        all.map(|(picture, mask)| dice(&self.mask(picture), mask))
            .sum()
    }
}

impl<'a> Fitted<'a> {
    /// Looks at references.
    pub fn new(references: &'a [Reference<'a>]) -> Self {
        let sides = || [false, true].into_iter();
        // Every fourth is near enough.
        let candidates = (0..=u8::MAX)
            .step_by(4)
            .flat_map(|at| sides().map(move |light| Threshold { at, light }));
        let threshold = candidates.max_by(|a, b| {
            let fits = [a, b].map(|threshold| threshold.fits(references));
            fits[0].total_cmp(&fits[1])
        });
        let by_otsu = |light: bool| -> f64 {
            let all = references.iter();
            let found = all.map(|(picture, mask)| {
                let at = otsu(picture);
                dice(&Threshold { at, light }.mask(picture), mask)
            });
            found.sum()
        };
        Self {
            references,
            threshold: threshold.unwrap_or(Threshold {
                at: 127,
                light: true,
            }),
            otsu_light: by_otsu(true) > by_otsu(false),
        }
    }

    /// How well a query's mask is found.
    pub fn judge(&self, query: &[u8], wanted: &[u8]) -> Baselines {
        let difference = |picture: &[u8]| -> u64 {
            let pairs = picture.iter().zip(query);
            pairs.map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum()
        };
        let nearest = self
            .references
            .iter()
            .min_by_key(|(picture, _)| difference(picture));
        let by_otsu = Threshold {
            at: otsu(query),
            light: self.otsu_light,
        };
        Baselines {
            all_foreground: dice(&vec![1; wanted.len()], wanted),
            nearest_mask: nearest.map_or(0.0, |(_, mask)| dice(mask, wanted)),
            otsu: dice(&by_otsu.mask(query), wanted),
            fitted_threshold: dice(&self.threshold.mask(query), wanted),
        }
    }
}

/// The largest dark number of the division with the greatest variance between both sides
/// (Otsu, 1979).
fn otsu(picture: &[u8]) -> u8 {
    let mut counts = [0u64; 256];
    for &value in picture {
        counts[usize::from(value)] += 1;
    }
    let all = picture.len() as f64;
    let weighted = counts
        .iter()
        .enumerate()
        .map(|(value, &count)| value as f64 * count as f64);
    let total: f64 = weighted.sum();
    let (mut dark, mut sum, mut best) = (0.0, 0.0, (0.0, 127));
    for (value, &count) in counts.iter().enumerate() {
        dark += count as f64;
        sum += value as f64 * count as f64;
        let light = all - dark;
        if dark > 0.0 && light > 0.0 {
            let apart = sum / dark - (total - sum) / light;
            let variance = dark * light * apart * apart;
            if variance > best.0 {
                best = (variance, value as u8);
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dark_disc_is_found_by_thresholds_and_a_shifted_one_not_by_its_neighbours_mask() {
        let disc = |centre: i32| -> (Vec<u8>, Vec<u8>) {
            let inside = |i: i32| (i / 32 - 16).pow(2) + (i % 32 - centre).pow(2) < 36;
            let picture = (0..1024)
                .map(|i| if inside(i) { 40 } else { 200 })
                .collect();
            (picture, (0..1024).map(|i| inside(i).into()).collect())
        };
        let ((reference, mask), (query, wanted)) = (disc(8), disc(24));
        let references = [(reference.as_slice(), mask)];
        let figures = Fitted::new(&references).judge(&query, &wanted);
        assert_eq!(figures.otsu, 1.0);
        assert_eq!(figures.fitted_threshold, 1.0);
        assert_eq!(figures.nearest_mask, 0.0);
        assert!((0.1..0.3).contains(&figures.all_foreground));
    }
}
