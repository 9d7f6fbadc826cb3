//! 1:N search against sorting all inner products, on every instruction set that this
//! processor has.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use edge_runtime::kernels::InstructionSet;
use edge_runtime::kernels::dot_scan::{BATCH, Collector, Queries, ROWS, Stripe, dot_scan};
use edge_runtime::search::{Gallery, GalleryError, Match, OwnedGallery, pack};
use proptest::collection::vec;
use proptest::prelude::*;
use shared::embedding::MAX_DIM;

/// Embeddings and queries of one dimension.
#[derive(Debug)]
struct Case {
    dim: usize,
    rows: Vec<Vec<i8>>,
    queries: Vec<Vec<i8>>,
}

impl Case {
    fn gallery(&self) -> OwnedGallery {
        let mut gallery = OwnedGallery::new(self.dim).unwrap();
        for (index, row) in self.rows.iter().enumerate() {
            assert_eq!(gallery.push(row), Ok(index));
        }
        gallery
    }

    fn queries(&self) -> Vec<&[i8]> {
        self.queries.iter().map(Vec::as_slice).collect()
    }

    /// The `k` nearest by the definition.
    fn sorted(&self, query: &[i8], k: usize) -> Vec<Match> {
        let score = |row: &Vec<i8>| row.iter().zip(query).map(product).sum();
        let scores = self.rows.iter().map(score).enumerate();
        let mut all: Vec<Match> = scores.map(|(row, score)| Match { row, score }).collect();
        all.sort_by_key(|found| (-found.score, found.row));
        all.truncate(k);
        all
    }
}

fn product((&a, &b): (&i8, &i8)) -> i32 {
    i32::from(a) * i32::from(b)
}

/// Any bytes, bytes so few that many scores are equal, or the ends of the range.
fn component() -> impl Strategy<Value = i8> {
    prop_oneof![
        any::<i8>(),
        -1i8..=1,
        prop::sample::select(vec![-128i8, -127, 127])
    ]
}

fn components(dim: usize) -> impl Strategy<Value = Vec<i8>> {
    prop_oneof![
        vec(any::<i8>(), dim),
        vec(-1i8..=1, dim),
        vec(component(), dim),
        component().prop_map(move |value| vec![value; dim]),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let dim = prop_oneof![8 => 1usize..=40, 1 => Just(128), 1 => Just(MAX_DIM)];
    (dim, 0usize..200, 1usize..=20).prop_flat_map(|(dim, rows, queries)| {
        let rows = vec(components(dim), rows);
        let queries = vec(components(dim), queries);
        (rows, queries).prop_map(move |(rows, queries)| Case { dim, rows, queries })
    })
}

/// Keeps every score.
struct All(Vec<Vec<i32>>);

impl Collector for All {
    fn floor(&self, _: usize) -> i32 {
        i32::MIN
    }

    fn collect(&mut self, query: usize, block: usize, scores: &[i32; ROWS], exceeding: u64) {
        assert_eq!(exceeding, u64::MAX, "all exceed the least integer");
        assert_eq!(self.0[query].len(), block * ROWS, "blocks ascend");
        self.0[query].extend(scores);
    }
}

proptest! {
    #[test]
    fn nearest_are_those_that_sorting_finds(case in case(), k in 0usize..40) {
        let owned = case.gallery();
        let mut places = vec![Match::default(); k];
        for instructions in InstructionSet::supported() {
            let gallery = owned.as_gallery().with_instructions(instructions);
            for query in case.queries() {
                let nearest = gallery.nearest(query, &mut places);
                let expected = case.sorted(query, k);
                prop_assert_eq!(nearest, Ok(&expected[..]), "{:?}", instructions);
            }
        }
    }

    #[test]
    fn a_batch_finds_what_single_queries_find(case in case(), k in 1usize..20) {
        let owned = case.gallery();
        let queries = case.queries();
        for instructions in InstructionSet::supported() {
            let gallery = owned.as_gallery().with_instructions(instructions);
            let mut places = vec![Match::default(); k * queries.len()];
            let found = gallery.nearest_of_each(&queries, &mut places).unwrap();
            for (query, part) in queries.iter().zip(places.chunks(k)) {
                let expected = case.sorted(query, k);
                prop_assert_eq!(&part[..found], &expected[..], "{:?}", instructions);
            }
        }
    }

    #[test]
    fn kernels_compute_every_score(case in case()) {
        let owned = case.gallery();
        let stripes: &[Stripe] = owned.packed().as_chunks().0;
        let queries = case.queries();
        let queries = &queries[..queries.len().min(BATCH)];
        let packed = Queries::new(case.dim, queries);
        for instructions in InstructionSet::supported() {
            let mut all = All(vec![vec![]; queries.len()]);
            dot_scan(instructions, stripes, &packed, &mut all);
            for (query, scores) in queries.iter().zip(&all.0) {
                for (row, &score) in case.rows.iter().zip(scores) {
                    let expected: i32 = row.iter().zip(*query).map(product).sum();
                    prop_assert_eq!(score, expected, "{:?}", instructions);
                }
                let padding = &scores[case.rows.len()..];
                prop_assert!(padding.iter().all(|&score| score == 0), "{:?}", padding);
            }
        }
    }

    #[test]
    fn a_gallery_gives_back_what_it_holds(case in case(), removed in vec(any::<prop::sample::Index>(), 0..40)) {
        let (mut gallery, mut rows) = (case.gallery(), case.rows.clone());
        for index in removed {
            if rows.is_empty() {
                prop_assert!(!gallery.swap_remove(0));
            } else {
                let row = index.index(rows.len());
                rows.swap_remove(row);
                prop_assert!(gallery.swap_remove(row));
            }
        }
        prop_assert_eq!(gallery.len(), rows.len());
        for (row, embedding) in rows.iter().enumerate() {
            let held: Vec<i8> = gallery.as_gallery().embedding(row).collect();
            prop_assert_eq!(&held, embedding);
        }
        for beyond in [rows.len(), usize::MAX] {
            prop_assert_eq!(gallery.as_gallery().embedding(beyond).count(), 0);
        }
        // No trace of what was removed: as packed anew.
        let anew = Case { rows, ..case }.gallery();
        prop_assert_eq!(gallery.packed(), anew.packed());
    }

    #[test]
    fn packed_bytes_may_be_borrowed_and_lie_anywhere(case in case(), k in 1usize..10) {
        let mut bytes = vec![0x80; 1 + Gallery::packed_len(case.dim, case.rows.len())];
        let packed = &mut bytes[1..];
        for (row, embedding) in case.rows.iter().enumerate() {
            pack(packed, row, embedding);
        }
        let owned = case.gallery();
        prop_assert_eq!(&*packed, owned.packed());
        let gallery = Gallery::new(packed, case.dim, case.rows.len()).unwrap();
        let mut places = vec![Match::default(); k];
        for instructions in InstructionSet::supported() {
            let gallery = gallery.with_instructions(instructions);
            let nearest = gallery.nearest(&case.queries[0], &mut places);
            prop_assert_eq!(nearest, Ok(&case.sorted(&case.queries[0], k)[..]));
        }
    }
}

#[test]
fn packed_bytes_begin_at_a_cache_line() {
    let mut gallery = OwnedGallery::new(5).unwrap();
    for _ in 0..1000 {
        gallery.push(&[1; 5]).unwrap();
        assert_eq!(gallery.packed().as_ptr().align_offset(64), 0);
    }
}

#[test]
fn of_equal_scores_the_lower_row_is_first() {
    let mut gallery = OwnedGallery::new(1).unwrap();
    for value in [1, 2, 2, 1, 2, 3] {
        gallery.push(&[value]).unwrap();
    }
    let mut places = [Match::default(); 4];
    let nearest = gallery.as_gallery().nearest(&[1], &mut places).unwrap();
    let rows: Vec<usize> = nearest.iter().map(|found| found.row).collect();
    assert_eq!(rows, [5, 1, 2, 4]);
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let refused = |error: GalleryError, words: &str| {
        let text = error.to_string();
        assert!(text.contains(words), "{text}");
    };
    refused(OwnedGallery::new(0).unwrap_err(), "1 to 512, found 0");
    refused(Gallery::new(&[], 513, 0).unwrap_err(), "found 513");
    let one_short = Gallery::new(&[0; 511], 8, 64).unwrap_err();
    refused(one_short, "expected 512 bytes");
    let endless = Gallery::new(&[], 512, usize::MAX).unwrap_err();
    refused(endless, "packed embeddings, found 0");
    let mut gallery = OwnedGallery::new(3).unwrap();
    refused(gallery.push(&[0; 2]).unwrap_err(), "dimension 3, found 2");
    assert!(gallery.is_empty());
    let gallery = gallery.as_gallery();
    let mut places = [Match::default(); 3];
    let query: &[i8] = &[0; 3];
    refused(
        gallery.nearest(&[0; 4], &mut places).unwrap_err(),
        "dimension 3, found 4",
    );
    refused(
        gallery
            .nearest_of_each(&[query, query], &mut places)
            .unwrap_err(),
        "multiple of 2 places",
    );
    assert_eq!(gallery.nearest_of_each(&[], &mut []), Ok(0));
}
