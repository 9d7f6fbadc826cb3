//! From what became of each probe to rates.

/// False-accept rates at which identifications are stated, where there are enough
/// strangers to bound them.
pub(super) const FAR_TARGETS: [f64; 3] = [0.1, 0.01, 0.001];

/// What became of one probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Probe {
    /// Its class, from 0.
    pub(super) class: usize,
    /// Whether that class is enrolled.
    pub(super) is_mated: bool,
    /// Distance to the nearest enrolled class.
    pub(super) nearest: f32,
    /// Whether its own class is nearer than every other.
    pub(super) is_first: bool,
    /// Whom the device's rule names.
    pub(super) named: Named,
}

/// Whom the device's rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Nobody,
    Itself,
    Another,
}

// Where each figure stands in what `figures` returns; from `DETECTED` on, one for each of
// `FAR_TARGETS`.
pub(super) const NEAREST: usize = 0;
pub(super) const AUROC: usize = 1;
pub(super) const STRANGERS_NAMED: usize = 2;
pub(super) const NOT_NAMED: usize = 3;
pub(super) const MISNAMED: usize = 4;
pub(super) const DETECTED: usize = 5;
pub(super) const FIGURES: usize = DETECTED + FAR_TARGETS.len();

/// The means over draws of all figures, when classes count as often as `weights` say.
pub(super) fn mean(draws: &[Vec<Probe>], weights: &[f64]) -> [f64; FIGURES] {
    let mut sums = [0.0; FIGURES];
    for draw in draws {
        for (sum, figure) in sums.iter_mut().zip(figures(draw, weights)) {
            *sum += figure / draws.len() as f64;
        }
    }
    sums
}

/// All figures of one draw, whose probes are sorted by distance.
fn figures(probes: &[Probe], weights: &[f64]) -> [f64; FIGURES] {
    let share = |is_mated: bool, counts: &dyn Fn(&Probe) -> bool| {
        let (mut counted, mut all) = (0.0, 0.0);
        for probe in probes.iter().filter(|probe| probe.is_mated == is_mated) {
            all += weights[probe.class];
            counted += if counts(probe) {
                weights[probe.class]
            } else {
                0.0
            };
        }
        counted / all
    };
    let mut figures = [0.0; FIGURES];
    figures[NEAREST] = share(true, &|probe| probe.is_first);
    figures[STRANGERS_NAMED] = share(false, &|probe| probe.named != Named::Nobody);
    figures[NOT_NAMED] = share(true, &|probe| probe.named != Named::Itself);
    figures[MISNAMED] = share(true, &|probe| probe.named == Named::Another);
    let total = |is_mated: bool| -> f64 {
        let of = probes.iter().filter(|probe| probe.is_mated == is_mated);
        of.map(|probe| weights[probe.class]).sum()
    };
    let (all_mated, all_strangers) = (total(true), total(false));
    let (mut mated, mut strangers, mut detected, mut nearer) = (0.0, 0.0, 0.0, 0.0);
    for tied in probes.chunk_by(|a, b| a.nearest.total_cmp(&b.nearest).is_eq()) {
        let (mated_before, strangers_before) = (mated, strangers);
        for probe in tied {
            let weight = weights[probe.class];
            match probe.is_mated {
                true => mated += weight,
                false => strangers += weight,
            }
            detected += if probe.is_first { weight } else { 0.0 };
        }
        // A tie is half a win.
        nearer += (strangers - strangers_before) * (mated_before + mated) / 2.0;
        for (index, far) in FAR_TARGETS.into_iter().enumerate() {
            if strangers / all_strangers <= far {
                figures[DETECTED + index] = detected / all_mated;
            }
        }
    }
    figures[AUROC] = nearer / (all_mated * all_strangers);
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(class: usize, is_mated: bool, nearest: f32, is_first: bool) -> Probe {
        Probe {
            class,
            is_mated,
            nearest,
            is_first,
            named: Named::Nobody,
        }
    }

    #[test]
    fn figures_are_those_of_counting() {
        // Ten strangers at 1, 2, .. 10; four mated probes, of which one is first for
        // another class and one is as near as a stranger.
        let mut probes: Vec<Probe> = (1..=10).map(|d| probe(1, false, d as f32, false)).collect();
        probes.push(probe(0, true, 0.5, true));
        probes.push(probe(0, true, 0.6, false));
        probes.push(probe(0, true, 1.0, true));
        probes.push(probe(0, true, 2.5, true));
        probes.sort_by(|a, b| a.nearest.total_cmp(&b.nearest));
        let figures = figures(&probes, &[1.0, 1.0]);
        assert_eq!(figures[NEAREST], 0.75);
        // At a rate of 10 % the stranger at 1 may be accepted, the one at 2 not.
        assert_eq!(figures[DETECTED], 0.5);
        assert_eq!(figures[DETECTED + 1], 0.25);
        // Wins of each mated probe over strangers: 10, 10, 9.5, 8.
        assert!((figures[AUROC] - 37.5 / 40.0).abs() < 1e-12);
    }

    #[test]
    fn weights_are_repetitions() {
        let probes = [
            probe(0, true, 0.5, true),
            probe(1, true, 0.7, false),
            probe(2, false, 0.6, false),
            probe(3, false, 0.9, false),
        ];
        let twice = [
            probes[0], probes[0], probes[1], probes[2], probes[3], probes[3],
        ];
        let mut twice = twice.to_vec();
        twice.sort_by(|a, b| a.nearest.total_cmp(&b.nearest));
        let mut once = probes.to_vec();
        once.sort_by(|a, b| a.nearest.total_cmp(&b.nearest));
        assert_eq!(
            figures(&once, &[2.0, 1.0, 1.0, 2.0]),
            figures(&twice, &[1.0; 4])
        );
    }
}
