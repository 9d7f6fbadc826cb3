//! Checks of one step against arena and weights.

use super::{
    Conv2d, Copy, Gru, MAX_BIAS, MAX_FEATURES, MAX_FILTER, MAX_MULTIPLIER, Place, SequenceMean,
    Step,
};

pub(super) fn is_inside(place: &Place, arena_len: u32) -> bool {
    !place.is_empty() && place.range().end <= arena_len as usize
}

/// Whether a step stays inside the arena and the weights, and its shapes and constants fit.
pub(super) fn check_step(step: &Step, arena_len: u32, weights: &[u8]) -> Result<(), &'static str> {
    match step {
        Step::Conv2d(conv) => {
            check_filters(conv, conv.input.channels, weights)?;
            check_windows(conv, arena_len)
        }
        Step::DepthwiseConv2d(conv) => {
            check_channels(&conv.input, &conv.output)?;
            check_filters(conv, 1, weights)?;
            check_windows(conv, arena_len)
        }
        Step::MaxPool(pool) => {
            check_channels(&pool.input, &pool.output)?;
            check_places(&pool.input, &pool.output, arena_len)?;
            check_sizes(
                &pool.input,
                &pool.output,
                pool.kernel,
                pool.stride,
                pool.padding,
            )
        }
        Step::Add(add) => {
            let shape = |place: &Place| (place.height, place.width, place.channels);
            if shape(&add.place) != shape(&add.other) {
                return Err("shape of the addends");
            }
            check_places(&add.other, &add.place, arena_len)?;
            check_multipliers(add.multipliers)
        }
        Step::Prelu(prelu) => {
            if !is_inside(&prelu.place, arena_len) {
                return Err("place in the arena");
            }
            check_multipliers([prelu.multiplier])?;
            let length = 4 * usize::from(prelu.place.channels);
            let slopes = section(weights, prelu.slopes, length).ok_or("place of slopes")?;
            let slopes = slopes.as_chunks::<4>().0.iter();
            let mut slopes = slopes.map(|bytes| f32::from_le_bytes(*bytes));
            let all = slopes.all(|slope| slope.abs() < MAX_MULTIPLIER);
            all.then_some(()).ok_or("slope")
        }
        Step::Copy(copy) => {
            check_channels(&copy.input, &copy.output)?;
            check_places(&copy.input, &copy.output, arena_len)?;
            check_rectangle(copy)
        }
        Step::Gru(gru) => check_gru(gru, arena_len, weights),
        Step::SequenceMean(mean) => check_mean(mean, arena_len),
        Step::UnitVectors(vectors) => {
            let is_inside = is_inside(&vectors.place, arena_len);
            is_inside.then_some(()).ok_or("place in the arena")?;
            check_features(&vectors.place)
        }
        Step::Upsample(upsample) => {
            let (input, output) = (&upsample.input, &upsample.output);
            check_channels(input, output)?;
            check_places(input, output, arena_len)?;
            let doubled = |from: u16, to: u16| u32::from(to) == 2 * u32::from(from);
            let is_doubled =
                doubled(input.height, output.height) && doubled(input.width, output.width);
            is_doubled.then_some(()).ok_or("output size")
        }
        Step::Compare(compare) => {
            check_places(&compare.features, &compare.output, arena_len)?;
            check_features(&compare.features)?;
            compare.check()
        }
    }
}

/// A recurrent layer's places, and the bounds that keep its sums in 32 bits.
fn check_gru(gru: &Gru, arena_len: u32, weights: &[u8]) -> Result<(), &'static str> {
    check_places(&gru.input, &gru.output, arena_len)?;
    check_places(&gru.state, &gru.input, arena_len)?;
    check_places(&gru.state, &gru.output, arena_len)?;
    let units = gru.units();
    if [gru.input.width, gru.output.width] != [1, 1] || gru.input.height != gru.output.height {
        return Err("shape of a sequence");
    }
    if usize::from(gru.output.channels) != units * gru.directions() || units == 0 {
        return Err("number of units");
    }
    if gru.state.len() != 3 * units {
        return Err("size of the state");
    }
    let longest = units.max(gru.input.channels.into());
    if longest > MAX_FILTER as usize {
        return Err("filter size");
    }
    let [inputs, states, constants] = gru.weights_len();
    let one = inputs.saturating_add(states).saturating_add(constants);
    let all = section(weights, gru.weights, one.saturating_mul(gru.directions()));
    for direction in all.ok_or("place of weights")?.chunks_exact(one.max(1)) {
        let rows = direction.get(inputs + states..).unwrap_or_default();
        for [bias, multiplier] in rows.as_chunks::<4>().0.as_chunks::<2>().0 {
            if i32::from_le_bytes(*bias).unsigned_abs() > MAX_BIAS as u32 {
                return Err("bias");
            }
            if i32::from_le_bytes(*multiplier) < 0 {
                return Err("multiplier");
            }
        }
    }
    Ok(())
}

/// Pixels with so many channels that sums over them stay small.
fn check_features(place: &Place) -> Result<(), &'static str> {
    let few = usize::from(place.channels) <= MAX_FEATURES;
    few.then_some(()).ok_or("number of channels")
}

fn check_mean(mean: &SequenceMean, arena_len: u32) -> Result<(), &'static str> {
    check_channels(&mean.input, &mean.output)?;
    check_places(&mean.input, &mean.output, arena_len)?;
    if [mean.input.width, mean.output.width, mean.output.height] != [1, 1, 1] {
        return Err("shape of a sequence");
    }
    let is_positive = mean.multiplier >= 0;
    is_positive.then_some(()).ok_or("multiplier")
}

fn check_windows(conv: &Conv2d, arena_len: u32) -> Result<(), &'static str> {
    check_places(&conv.input, &conv.output, arena_len)?;
    check_sizes(
        &conv.input,
        &conv.output,
        conv.kernel,
        conv.stride,
        conv.padding,
    )
}

fn check_channels(input: &Place, output: &Place) -> Result<(), &'static str> {
    let same = input.channels == output.channels;
    same.then_some(()).ok_or("number of channels")
}

/// Two places in the arena that do not overlap.
fn check_places(input: &Place, output: &Place, arena_len: u32) -> Result<(), &'static str> {
    let inside = is_inside(input, arena_len) && is_inside(output, arena_len);
    let apart = inside && !input.overlaps(output);
    apart.then_some(()).ok_or("place in the arena")
}

/// A rectangle inside both maps.
fn check_rectangle(copy: &Copy) -> Result<(), &'static str> {
    let inside = |place: &Place, first: [u16; 2]| {
        let sizes = [place.height, place.width];
        let ends = first.into_iter().zip(copy.size).zip(sizes);
        ends.into_iter().all(|((first, size), whole)| {
            size > 0 && u32::from(first) + u32::from(size) <= u32::from(whole)
        })
    };
    let is_inside = inside(&copy.input, copy.from) && inside(&copy.output, copy.to);
    is_inside.then_some(()).ok_or("rectangle")
}

fn check_sizes(
    input: &Place,
    output: &Place,
    kernel: [u16; 2],
    stride: [u16; 2],
    padding: [u16; 2],
) -> Result<(), &'static str> {
    let sizes = [(input.height, output.height), (input.width, output.width)];
    for (axis, (from, to)) in sizes.into_iter().enumerate() {
        if !sees_input(from, to, kernel[axis], stride[axis], padding[axis]) {
            return Err("output size");
        }
    }
    Ok(())
}

/// Whether each of `windows` windows along one axis sees some input: the first does not end
/// before it, nor does the last begin after it.
fn sees_input(size: u16, windows: u16, kernel: u16, stride: u16, padding: u16) -> bool {
    let last = u32::from(windows)
        .checked_sub(1)
        .and_then(|steps| steps.checked_mul(u32::from(stride)));
    let begins_inside = last.is_some_and(|last| last < u32::from(size) + u32::from(padding));
    stride > 0 && padding < kernel && begins_inside
}

/// Filters over `channels` of the input's channels, biases and multipliers.
fn check_filters(conv: &Conv2d, channels: u16, weights: &[u8]) -> Result<(), &'static str> {
    let filters = usize::from(conv.output.channels);
    let filter = conv
        .kernel
        .iter()
        .try_fold(u32::from(channels), |product, &side| {
            product.checked_mul(u32::from(side))
        })
        .filter(|taps| (1..=MAX_FILTER).contains(taps))
        .ok_or("filter size")? as usize;
    section(weights, conv.weights, filter * filters).ok_or("place of weights")?;
    let multipliers =
        section(weights, conv.multipliers, 4 * filters).ok_or("place of multipliers")?;
    let bias = section(weights, conv.bias, 4 * filters).ok_or("place of bias")?;
    let multipliers = multipliers.as_chunks::<4>().0.iter();
    check_multipliers(multipliers.map(|bytes| f32::from_le_bytes(*bytes)))?;
    let mut bias = bias.as_chunks::<4>().0.iter();
    if !bias.all(|bytes| i32::from_le_bytes(*bytes).unsigned_abs() <= MAX_BIAS as u32) {
        return Err("bias");
    }
    Ok(())
}

fn check_multipliers(multipliers: impl IntoIterator<Item = f32>) -> Result<(), &'static str> {
    let mut multipliers = multipliers.into_iter();
    let all = multipliers.all(|multiplier| (0.0..MAX_MULTIPLIER).contains(&multiplier));
    all.then_some(()).ok_or("multiplier")
}

/// `len` bytes of the weights section from `offset`, a multiple of 4.
pub fn section(weights: &[u8], offset: u32, len: usize) -> Option<&[u8]> {
    let start = offset as usize;
    if !start.is_multiple_of(4) {
        return None;
    }
    weights.get(start..start.checked_add(len)?)
}
