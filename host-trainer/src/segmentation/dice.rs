//! How well masks agree.

/// The Dice coefficient of two masks of 0 and 1: twice what both mark by what each marks; 1 of
/// two empty ones (Dice, "Measures of the amount of ecologic association between species",
/// 1945).
pub fn dice(a: &[u8], b: &[u8]) -> f64 {
    let (both, sum) = counts(a, b);
    match sum {
        0 => 1.0,
        _ => 2.0 * both as f64 / sum as f64,
    }
}

/// Intersection over union: what both mark by what any marks; 1 of two empty ones (Jaccard,
/// 1912).
pub fn iou(a: &[u8], b: &[u8]) -> f64 {
    let (both, sum) = counts(a, b);
    match sum {
        0 => 1.0,
        _ => both as f64 / (sum - both) as f64,
    }
}

/// What both mark, and the sum of what each marks.
fn counts(a: &[u8], b: &[u8]) -> (u64, u64) {
    let pairs = a.iter().zip(b);
    pairs.fold((0, 0), |(both, sum), (&a, &b)| {
        (both + u64::from(a & b), sum + u64::from(a) + u64::from(b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_overlap() {
        let (a, b) = ([1, 1, 0, 0], [0, 1, 1, 0]);
        assert_eq!(dice(&a, &b), 0.5);
        assert_eq!(iou(&a, &b), 1.0 / 3.0);
        assert_eq!(dice(&a, &a), 1.0);
        assert_eq!(dice(&[0, 0], &[0, 0]), 1.0);
        assert_eq!(iou(&[0, 0], &[0, 0]), 1.0);
        assert_eq!(dice(&[0, 0], &[1, 0]), 0.0);
    }
}
