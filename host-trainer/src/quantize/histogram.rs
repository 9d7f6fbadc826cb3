//! How often which real numbers occur, and where they are best cut off.

use super::calibrate::Range;

/// Bins of a histogram: several for each of the 256 steps of a byte.
const BINS: usize = 2048;

/// Shares of each end that are tried as clips, `1 / TRIALS` apart.
const TRIALS: usize = 64;

/// Counts of the numbers of one value within its range.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    range: Range,
    counts: Vec<u64>,
    /// Exact zeros, which have an exact byte and lie in no bin.
    zeros: u64,
}

impl Histogram {
    /// An empty histogram of numbers in `range`.
    pub fn new(range: Range) -> Self {
        Self {
            range,
            counts: vec![0; BINS],
            zeros: 0,
        }
    }

    /// Counts numbers; those out of the range fall into the outermost bins.
    pub fn add(&mut self, numbers: &[f32]) {
        let width = self.range.most - self.range.least;
        let per_number = if width > 0.0 {
            BINS as f32 / width
        } else {
            0.0
        };
        for &number in numbers {
            if number == 0.0 {
                self.zeros += 1;
            } else {
                let bin = ((number - self.range.least) * per_number) as usize;
                self.counts[bin.min(BINS - 1)] += 1;
            }
        }
    }

    /// Adds the counts of another histogram of the same range.
    pub fn merge(&mut self, other: &Self) {
        self.zeros += other.zeros;
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// The range without the outermost numbers: at each end at most a share `cut` of all
    /// is cut off.
    pub fn percentile(&self, cut: f64) -> Range {
        let total = self.zeros + self.counts.iter().sum::<u64>();
        let most = (total as f64 * cut) as u64;
        let kept = |counts: &mut dyn Iterator<Item = &u64>| {
            let mut sum = 0;
            let outside = counts.take_while(|&&count| {
                sum += count;
                sum <= most
            });
            outside.count()
        };
        let (below, above) = (
            kept(&mut self.counts.iter()),
            kept(&mut self.counts.iter().rev()),
        );
        Range {
            least: self.edge(below).min(0.0),
            most: self.edge(BINS - above.min(BINS)).max(0.0),
        }
    }

    /// The range whose 255 steps have the least expected squared error: what is cut off
    /// errs by its distance from the end, what is kept by `step^2 / 12`, the variance of
    /// rounding (Banner et al., "Post training 4-bit quantization of convolutional
    /// networks for rapid-deployment", 2019, section 3).
    pub fn least_error(&self) -> Range {
        let total: u64 = self.counts.iter().sum();
        let clip = |end: f32| {
            let clips = (1..=TRIALS).map(move |trial| end * trial as f32 / TRIALS as f32);
            // The whole end first: of equal errors it wins.
            let clips = clips.rev().map(|clip| (clip, self.beyond(clip)));
            clips.collect::<Vec<_>>()
        };
        let mut best = (self.range, f64::INFINITY);
        let upper = clip(self.range.most);
        for (least, (below, below_error)) in clip(self.range.least) {
            for &(most, (above, above_error)) in &upper {
                let step = f64::from(most - least) / 255.0;
                let kept = total.saturating_sub(below + above) as f64;
                let error = below_error + above_error + kept * step * step / 12.0;
                if error < best.1 {
                    best = (Range { least, most }, error);
                }
            }
        }
        best.0
    }

    /// How many numbers lie farther from zero than `clip`, on its side, and the sum of
    /// their squared distances from it.
    fn beyond(&self, clip: f32) -> (u64, f64) {
        let half = (self.edge(1) - self.edge(0)) / 2.0;
        let mut beyond = (0, 0.0);
        for (bin, &count) in self.counts.iter().enumerate().filter(|(_, c)| **c > 0) {
            let excess = match clip > 0.0 {
                true => self.edge(bin) + half - clip,
                false => clip - self.edge(bin) - half,
            };
            // A clip of zero is that of a range without numbers on that side.
            if excess > 0.0 && clip != 0.0 {
                beyond.0 += count;
                beyond.1 += count as f64 * f64::from(excess).powi(2);
            }
        }
        beyond
    }

    /// Where bin `bin` begins.
    fn edge(&self, bin: usize) -> f32 {
        let Range { least, most } = self.range;
        match bin {
            0 => least,
            BINS => most,
            _ => least + (most - least) * bin as f32 / BINS as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: &[f32]) -> Histogram {
        let mut histogram = Histogram::new(Range::of(numbers));
        histogram.add(numbers);
        histogram
    }

    /// Mean squared error of numbers in 255 steps of a range, number by number.
    fn error(numbers: &[f32], range: Range) -> f64 {
        let step = f64::from(range.most - range.least) / 255.0;
        let zero_point = (-f64::from(range.least) / step).round_ties_even();
        let errors = numbers.iter().map(|&number| {
            let byte = (f64::from(number) / step).round_ties_even() + zero_point;
            let real = (byte.clamp(0.0, 255.0) - zero_point) * step;
            (real - f64::from(number)).powi(2)
        });
        errors.sum::<f64>() / numbers.len() as f64
    }

    /// Mostly small numbers and a few large ones.
    fn numbers() -> impl Strategy<Value = Vec<f32>> {
        let small = prop::collection::vec(-1.0f32..1.0, 500..3000);
        let large = prop::collection::vec(-60.0f32..60.0, 0..3);
        (small, large).prop_map(|(mut numbers, large)| {
            numbers.extend(large);
            numbers
        })
    }

    proptest! {
        #[test]
        fn a_percentile_cuts_no_more_than_its_share(
            numbers in numbers(), cut in 0.0f64..0.2,
        ) {
            let range = of(&numbers).percentile(cut);
            let whole = Range::of(&numbers);
            let bin = (whole.most - whole.least) / BINS as f32;
            let below = numbers.iter().filter(|&&n| n < range.least - bin / 100.0).count();
            let above = numbers.iter().filter(|&&n| n > range.most + bin / 100.0).count();
            let most = numbers.len() as f64 * cut;
            prop_assert!(below as f64 <= most && above as f64 <= most);
            // A bin more would be too much, unless zero stands there.
            let inner = |n: f32| n >= range.least + 2.0 * bin && n <= range.most - 2.0 * bin;
            let outer = numbers.iter().filter(|&&n| !inner(n)).count();
            prop_assert!(outer as f64 > most || range.least == 0.0 || range.most == 0.0);
        }

        /// No clip that was tried is clearly better, counted number by number.
        #[test]
        fn no_other_clip_errs_less(numbers in numbers(), least in 1..=16, most in 1..=16) {
            let whole = Range::of(&numbers);
            let other = Range {
                least: whole.least * least as f32 / 16.0,
                most: whole.most * most as f32 / 16.0,
            };
            let best = error(&numbers, of(&numbers).least_error());
            prop_assert!(best <= 1.15 * error(&numbers, other), "{best}");
        }

        #[test]
        fn parts_add_up_to_the_whole(a in numbers(), b in numbers()) {
            let both = [a.clone(), b.clone()].concat();
            let range = Range::of(&both);
            let [mut first, mut second] = [0, 1].map(|_| Histogram::new(range));
            first.add(&a);
            second.add(&b);
            first.merge(&second);
            prop_assert_eq!(first, of(&both));
        }
    }

    #[test]
    fn rectified_values_keep_zero_and_nothing_has_no_width() {
        let rectified = of(&[0.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(
            rectified.percentile(0.0),
            Range {
                least: 0.0,
                most: 3.0
            }
        );
        assert_eq!(rectified.least_error().least, 0.0);
        let nothing = Range {
            least: 0.0,
            most: 0.0,
        };
        assert_eq!(of(&[0.0; 4]).percentile(0.1), nothing);
        assert_eq!(of(&[0.0; 4]).least_error(), nothing);
    }
}
