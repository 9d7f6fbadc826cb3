//! From a number to a place along an axis, and the numbers that stand beside it.

use statrs::distribution::{ContinuousCDF, Normal};

/// A number beside an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    /// Where, in units of the data.
    pub value: f64,
    /// How it is written.
    pub label: String,
}

/// How numbers lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Evenly.
    Linear {
        /// The smallest and largest number that has a place.
        domain: [f64; 2],
    },
    /// By their logarithm; for rates, labelled in percent.
    Log {
        /// The smallest and largest number that has a place; positive.
        domain: [f64; 2],
    },
    /// By their normal deviate; for rates, labelled in percent (Martin et al., "The DET
    /// curve in assessment of detection task performance", 1997).
    NormalDeviate {
        /// The smallest and largest number that has a place; between 0 and 1.
        domain: [f64; 2],
    },
}

impl Scale {
    /// A linear scale that holds all finite `values` with some room above them; wider
    /// where they do not differ.
    pub fn around(values: impl Iterator<Item = f64>) -> Self {
        let finite = values.filter(|value| value.is_finite());
        let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], v| {
            [low.min(v), high.max(v)]
        });
        let domain = match low < high {
            true => [low, high + 0.04 * (high - low)],
            false if low == high => [low - 0.5, high + 0.5],
            false => [0.0, 1.0],
        };
        Self::Linear { domain }
    }

    /// The numbers at both ends.
    pub fn domain(&self) -> [f64; 2] {
        match *self {
            Self::Linear { domain } | Self::Log { domain } | Self::NormalDeviate { domain } => {
                domain
            }
        }
    }

    /// Where `value` lies between the ends, 0 to 1; what is beyond an end lies there.
    pub fn place(&self, value: f64) -> f64 {
        let [low, high] = self.domain();
        let value = value.clamp(low, high);
        let [low, high, value] = [low, high, value].map(|value| self.transform(value));
        (value - low) / (high - low)
    }

    fn transform(&self, value: f64) -> f64 {
        match self {
            Self::Linear { .. } => value,
            Self::Log { .. } => libm::log10(value),
            Self::NormalDeviate { .. } => normal_deviate(value),
        }
    }

    /// Numbers to write along an axis, about `count` on a linear one.
    pub fn ticks(&self, count: usize) -> Vec<Tick> {
        match *self {
            Self::Linear { domain } => linear_ticks(domain, count),
            Self::Log { domain } => rate_ticks(domain, &[1.0], &[1.0]),
            Self::NormalDeviate { domain } => {
                let most = [0.6, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999];
                rate_ticks(domain, &[1.0, 2.0, 5.0], &most)
            }
        }
    }
}

/// The `x` with `P(X <= x) = rate` for a standard normal `X`.
pub fn normal_deviate(rate: f64) -> f64 {
    Normal::standard().inverse_cdf(rate)
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks([low, high]: [f64; 2], count: usize) -> Vec<Tick> {
    let rough = (high - low) / count.max(1) as f64;
    let power = libm::floor(libm::log10(rough));
    let unit = libm::pow(10.0, power);
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * unit)
        .into_iter()
        .find(|&step| step >= rough * 0.999)
        .unwrap_or(rough);
    let decimals = (-libm::floor(libm::log10(step * 1.001))).max(0.0) as usize;
    let (first, last) = (libm::ceil(low / step), libm::floor(high / step));
    if last < first {
        return vec![];
    }
    // A domain too narrow for its size has no steps that differ.
    let steps = ((last - first) as usize).min(100);
    (0..=steps)
        .map(|index| {
            let value = (first + index as f64) * step;
            let tiny = libm::fabs(value) < step / 1e6;
            let value = if tiny { 0.0 } else { value };
            Tick {
                value,
                label: plain(value, decimals),
            }
        })
        .collect()
}

fn plain(value: f64, decimals: usize) -> String {
    match libm::fabs(value) {
        large if large >= 1e6 => format!("{value:e}"),
        small if small > 0.0 && small < 1e-4 => format!("{value:.0e}"),
        _ => format!("{value:.decimals$}"),
    }
}

/// `factors` times powers of ten below one half, and then `large`.
fn rate_ticks([low, high]: [f64; 2], factors: &[f64], large: &[f64]) -> Vec<Tick> {
    let small = (-8..0).flat_map(|power| {
        let unit = libm::pow(10.0, f64::from(power));
        factors.iter().map(move |factor| factor * unit)
    });
    let inside = |rate: &f64| (low * 0.999..=high * 1.001).contains(rate);
    let label = |value| Tick {
        value,
        label: percent(value),
    };
    let rates = small.chain(large.iter().copied());
    rates.filter(inside).map(label).collect()
}

/// A rate in percent with the digits it needs.
pub fn percent(rate: f64) -> String {
    let percent = 100.0 * rate;
    let text = format!("{percent:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Quantiles of the standard normal distribution from tables.
    #[test]
    fn normal_deviates_are_those_of_the_tables() {
        for (rate, deviate) in [
            (0.5, 0.0),
            (0.975, 1.959964),
            (0.025, -1.959964),
            (0.95, 1.644854),
            (0.01, -2.326348),
            (0.001, -3.090232),
        ] {
            assert!((normal_deviate(rate) - deviate).abs() < 1e-6, "{rate}");
        }
        let scale = Scale::NormalDeviate {
            domain: [0.001, 0.5],
        };
        let middle = (scale.place(0.01) - (3.090232 - 2.326348) / 3.090232).abs();
        assert!(middle < 1e-6);
    }

    #[test]
    fn decades_are_equally_far_apart() {
        let scale = Scale::Log {
            domain: [1e-4, 1.0],
        };
        let places = [1e-4, 1e-3, 1e-2, 0.1, 1.0].map(|rate| scale.place(rate));
        for (place, expected) in places.iter().zip([0.0, 0.25, 0.5, 0.75, 1.0]) {
            assert!((place - expected).abs() < 1e-12);
        }
        let labels: Vec<String> = scale.ticks(0).into_iter().map(|tick| tick.label).collect();
        assert_eq!(labels, ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]);
    }

    #[test]
    fn ticks_are_round_numbers() {
        let labels = |domain| -> Vec<String> {
            let ticks = Scale::Linear { domain }.ticks(5);
            ticks.into_iter().map(|tick| tick.label).collect()
        };
        assert_eq!(
            labels([0.0, 1.0]),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(labels([-3.0, 12.0]), ["0", "5", "10"]);
        assert_eq!(labels([0.0, 12000.0]), ["0", "5000", "10000"]);
        assert_eq!(labels([0.0, 0.003]), ["0.000", "0.001", "0.002", "0.003"]);
        assert_eq!(percent(0.00001), "0.001 %");
        assert_eq!(percent(0.5), "50 %");
    }

    #[test]
    fn a_scale_around_nothing_is_a_scale() {
        for values in [vec![], vec![f64::NAN], vec![2.0, 2.0]] {
            let scale = Scale::around(values.into_iter());
            assert!(scale.domain()[0] < scale.domain()[1]);
        }
    }

    proptest! {
        #[test]
        fn ticks_lie_within_and_ascend(low in -1e5f64..1e5, width in 1e-3f64..1e5, count in 2usize..9) {
            let domain = [low, low + width];
            let ticks = Scale::Linear { domain }.ticks(count);
            prop_assert!(ticks.len() <= count + 1);
            let slack = width * 1e-6;
            for tick in &ticks {
                prop_assert!(tick.value >= low - slack && tick.value <= low + width + slack);
            }
            for pair in ticks.windows(2) {
                prop_assert!(pair[0].value < pair[1].value);
            }
        }

        #[test]
        fn places_ascend(a in 0.0001f64..0.9, more in 0.0001f64..0.09) {
            let domain = [1e-5, 0.999];
            let scales = [Scale::Linear { domain }, Scale::Log { domain }, Scale::NormalDeviate { domain }];
            for scale in scales {
                let (here, there) = (scale.place(a), scale.place(a + more));
                prop_assert!(0.0 <= here && here < there && there <= 1.0);
                prop_assert_eq!(scale.place(-1.0), 0.0);
                prop_assert_eq!(scale.place(2.0), 1.0);
            }
        }
    }
}
