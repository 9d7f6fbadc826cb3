//! What pictures measure that a tower learns from: the bounds of enrolment.

use anyhow::Result;
use rayon::prelude::*;
use shared::preprocess::{PicturePreprocess, Preprocess};
use shared::quality::{Bounds, Measures};

use crate::dataset::{Dataset, Part};

/// Each bound excludes at most one of so many pictures.
const EXCLUDES_ONE_OF: usize = 1000;

/// Pictures that are measured, at most.
const MOST: usize = 20_000;

/// Bounds from the training pictures of a data set, as they are preprocessed; `None` where
/// there are too few to bound anything so seldom exceeded, and of pen events.
///
/// # Errors
/// When a picture cannot be read.
pub fn bounds(dataset: &Dataset, preprocess: &Preprocess) -> Result<Option<Bounds>> {
    let Some(preprocess) = preprocess.picture() else {
        return Ok(None);
    };
    let training = dataset.split.samples(dataset, Part::Train);
    let step = training.len().div_ceil(MOST).max(1);
    let chosen: Vec<u32> = training.into_iter().step_by(step).collect();
    Ok(of(&measure(dataset, &chosen, preprocess)?))
}

/// What the pictures at `indices` measure.
fn measure(
    dataset: &Dataset,
    indices: &[u32],
    preprocess: &PicturePreprocess,
) -> Result<Vec<Measures>> {
    let buffer = || vec![0; preprocess.shape().len()];
    let one = |input: &mut Vec<u8>, index: &u32| {
        let sample = &dataset.samples[*index as usize];
        sample.preprocess(&(*preprocess).into(), input)?;
        Ok(Measures::of(input, preprocess))
    };
    indices.par_iter().map_init(buffer, one).collect()
}

/// The order statistics beyond which a further picture of the same kind lies with a
/// probability of at most one in [`EXCLUDES_ONE_OF`]: beyond the `k`-th of `n` it lies with
/// `k / (n + 1)`, whatever the distribution is (Wilks, "Determination of sample sizes for
/// setting tolerance limits", Annals of Mathematical Statistics 12, 1941).
fn of(measures: &[Measures]) -> Option<Bounds> {
    let place = ((measures.len() + 1) / EXCLUDES_ONE_OF).checked_sub(1)?;
    let bound = |of: fn(&Measures) -> u16, place: usize| {
        let mut values: Vec<u16> = measures.iter().map(of).collect();
        *values.select_nth_unstable(place).1
    };
    let (least, most) = (place, measures.len() - 1 - place);
    Some(Bounds {
        least_contrast: bound(|m| m.contrast, least),
        least_sharpness: bound(|m| m.sharpness, least),
        most_sharpness: bound(|m| m.sharpness, most),
        most_dark: bound(|m| m.dark, most),
        most_bright: bound(|m| m.bright, most),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn ramp(count: u16) -> Vec<Measures> {
        let measures = |value| Measures {
            contrast: value,
            sharpness: value,
            dark: value,
            bright: value,
        };
        // In no order.
        let shuffled = |at| (u32::from(at) * 7919 % u32::from(count)) as u16;
        (0..count).map(|at| measures(shuffled(at))).collect()
    }

    #[test]
    fn a_bound_excludes_one_of_a_thousand_and_takes_as_many_to_know() {
        assert_eq!(of(&ramp(998)), None);
        let few = of(&ramp(999)).unwrap();
        assert_eq!((few.least_contrast, few.most_dark), (0, 998));
        let many = of(&ramp(3999)).unwrap();
        assert_eq!((many.least_sharpness, many.most_sharpness), (3, 3995));
        assert_eq!((many.least_contrast, many.most_bright), (3, 3995));
    }
}
