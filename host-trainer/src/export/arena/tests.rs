use proptest::prelude::*;

use super::*;

/// Values of consecutive steps, each read by the next step.
fn chain(sizes: &[usize]) -> Vec<Lifetime> {
    let lifetime = |(step, &len)| Lifetime {
        len,
        first: step,
        last: step + 1,
    };
    sizes.iter().enumerate().map(lifetime).collect()
}

fn values(most: usize) -> impl Strategy<Value = Vec<Lifetime>> {
    let lifetime = (1usize..500, 0usize..20, 0usize..8).prop_map(|(len, first, more)| Lifetime {
        len,
        first,
        last: first + more,
    });
    prop::collection::vec(lifetime, 1..=most)
}

/// The shortest arena of all orders of `values`, each at its lowest free place. One of
/// them is the order of the offsets of a shortest placement.
fn least_of_all_orders(values: &[Lifetime], order: &mut Vec<usize>) -> usize {
    if order.len() == values.len() {
        return first_fit(values, order).peak;
    }
    let mut least = usize::MAX;
    for value in 0..values.len() {
        if !order.contains(&value) {
            order.push(value);
            least = least.min(least_of_all_orders(values, order));
            order.pop();
        }
    }
    least
}

#[test]
fn nothing_needs_no_arena() {
    assert_eq!(plan(&[]), Placement::default());
    assert_eq!(live_bytes(&[]), 0);
}

#[test]
fn a_chain_needs_its_largest_neighbours() {
    let values = chain(&[100, 800, 400, 1600, 64]);
    assert_eq!(live_bytes(&values), 2000);
    assert_eq!(plan(&values).peak, 2000);
}

#[test]
fn only_the_topmost_value_of_a_step_is_not_padded() {
    let values = chain(&[17, 20]);
    assert_eq!(live_bytes(&values), 37);
    // 20 and 12 of padding, then 17.
    assert_eq!(least_peak(&values), 49);
    assert_eq!(plan(&values).peak, 49);
}

#[test]
fn the_search_finds_what_greedy_orders_miss() {
    let values = [(3, 0, 0), (3, 3, 3), (2, 1, 4), (3, 0, 1), (2, 4, 5)];
    let values = values.map(|(len, first, last)| Lifetime {
        len: len * ALIGNMENT,
        first,
        last,
    });
    assert_eq!(live_bytes(&values), 6 * ALIGNMENT);
    assert_eq!(greedy(&values).peak, 8 * ALIGNMENT);
    assert_eq!(plan(&values).peak, 6 * ALIGNMENT);
}

proptest! {
    #[test]
    fn values_that_live_together_never_overlap(values in values(30)) {
        let Placement { offsets, peak } = plan(&values);
        prop_assert_eq!(offsets.len(), values.len());
        for (index, (a, from)) in values.iter().zip(&offsets).enumerate() {
            prop_assert!(from % ALIGNMENT == 0 && from + a.len <= peak);
            for (b, to) in values.iter().zip(&offsets).skip(index + 1) {
                let apart = from + a.len <= *to || to + b.len <= *from;
                prop_assert!(apart || !a.meets(b));
            }
        }
    }

    #[test]
    fn an_arena_lies_between_its_bound_and_the_greedy_one(values in values(30)) {
        let peak = plan(&values).peak;
        prop_assert!(live_bytes(&values) <= least_peak(&values));
        prop_assert!(least_peak(&values) <= peak);
        prop_assert!(peak <= greedy(&values).peak);
    }

    #[test]
    fn an_arena_of_few_values_is_the_shortest(values in values(6)) {
        prop_assert_eq!(plan(&values).peak, least_of_all_orders(&values, &mut vec![]));
    }
}
