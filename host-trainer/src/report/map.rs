//! Where the embeddings of some classes lie, laid out in a plane.

use std::collections::BTreeMap;

use super::page::{Figure, Key};
use super::spread::spread;
use super::svg::{self, Element, element};
use super::tsne::{FEWEST, principal_components, tsne};
use crate::dataset::ClassSamples;
use crate::evaluate::Embedded;

/// Classes and samples of each that are shown, at most.
const CLASSES: usize = 20;
const SAMPLES: usize = 20;

const SIZE: [f64; 2] = [720.0, 480.0];
const MARGIN: f64 = 44.0;
/// Half the longer side of a thumbnail.
const HALF: f64 = 14.0;

/// Hues of the style sheet; with three shapes they tell 21 classes apart.
const HUES: usize = 7;

/// The plane. `name` tells what a class is called; `picture` gives a sample's `data:`
/// address where pictures may be shown.
pub fn figure(
    embedded: &Embedded,
    classes: &[ClassSamples],
    name: impl Fn(u32) -> String,
    picture: impl Fn(usize) -> Option<String>,
) -> Figure {
    let classes = spread(classes, CLASSES);
    let samples: Vec<(usize, usize)> = classes
        .iter()
        .enumerate()
        .flat_map(|(class, of)| {
            let chosen = spread(&of.genuine, SAMPLES);
            chosen.into_iter().map(move |sample| (class, sample))
        })
        .collect();
    let components = |&(_, sample): &(usize, usize)| -> Vec<f64> {
        let embedding = embedded.embeddings.get(sample);
        embedding.components().map(f64::from).collect()
    };
    let points: Vec<Vec<f64>> = samples.iter().map(components).collect();
    let (places, how) = match points.len() < FEWEST {
        true => (principal_components(&points), "principal components"),
        false => (tsne(&points), "t-SNE, distances between groups mean little"),
    };
    let places = fitted(&places);
    let dots = samples
        .iter()
        .zip(&places)
        .map(|(&(class, _), &place)| shape(class, place).titled(name(classes[class].class)));
    let pictures = thumbnails(embedded, &samples, &places, picture);
    let words = format!(
        "{} samples of {} classes of the test part; near each other here means near each \
         other in the model ({how}).",
        samples.len(),
        classes.len()
    );
    let key =
        |(class, of): (usize, &ClassSamples)| Key::new(shape(class, [11.0, 6.0]), name(of.class));
    Figure {
        title: "Map of embeddings".into(),
        picture: svg::picture(SIZE[0], SIZE[1], "Map of the embeddings of test samples")
            .with("class", "map")
            .children(dots)
            .children(pictures),
        keys: classes.iter().enumerate().map(key).collect(),
        words,
    }
}

/// Moves and stretches places into the picture.
fn fitted(places: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let bounds = [0, 1].map(|axis| {
        let values = places.iter().map(|place| place[axis]);
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
            [low.min(value), high.max(value)]
        })
    });
    let fit = |place: &[f64; 2]| {
        let along = |axis: usize| {
            let [low, high] = bounds[axis];
            let share = match high > low {
                true => (place[axis] - low) / (high - low),
                false => 0.5,
            };
            MARGIN + share * (SIZE[axis] - 2.0 * MARGIN)
        };
        [along(0), along(1)]
    };
    places.iter().map(fit).collect()
}

/// The mark of a class at a place.
fn shape(class: usize, [x, y]: [f64; 2]) -> Element {
    let hue = format!("mark-{}", class % HUES);
    match class / HUES % 3 {
        0 => element("circle")
            .at("cx", x)
            .at("cy", y)
            .at("r", 4.2)
            .with("class", hue),
        1 => svg::rectangle([x - 3.8, y - 3.8], [7.6, 7.6], &hue),
        _ => svg::path(
            &[
                [x, y - 5.2],
                [x + 4.9, y + 3.6],
                [x - 4.9, y + 3.6],
                [x, y - 5.2],
            ],
            &hue,
        ),
    }
}

/// One picture of each class, beside the middle of its marks where it hides the fewest;
/// none where there is no room.
fn thumbnails(
    embedded: &Embedded,
    samples: &[(usize, usize)],
    places: &[[f64; 2]],
    picture: impl Fn(usize) -> Option<String>,
) -> Vec<Element> {
    let spec = &embedded.tensors.preprocess;
    let shape = spec.shape();
    let (width, height) = (f64::from(shape.width), f64::from(shape.height));
    let half = [width, height].map(|side| HALF * side / width.max(height));
    let mut of_class: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, (class, _)) in samples.iter().enumerate() {
        of_class.entry(*class).or_default().push(index);
    }
    let mut taken: Vec<[f64; 2]> = vec![];
    let mut drawn = vec![];
    for (class, mut members) in of_class {
        let middle = core(places, &mut members);
        let Some(centre) = beside(places, &members, half, &taken) else {
            continue;
        };
        let Some(address) = picture(samples[middle].1) else {
            continue;
        };
        taken.push(centre);
        let corner = [0, 1].map(|axis| centre[axis] - half[axis]);
        let size = half.map(|half| 2.0 * half);
        let image = element("image")
            .at("x", corner[0])
            .at("y", corner[1])
            .at("width", size[0])
            .at("height", size[1])
            .with("href", address);
        let frame = format!("frame mark-{}", class % HUES);
        drawn.push(image);
        drawn.push(svg::rectangle(corner, size, &frame));
    }
    drawn
}

/// Keeps the half of `members` that is nearest to their median; the nearest of all.
fn core(places: &[[f64; 2]], members: &mut Vec<usize>) -> usize {
    let median = [0, 1].map(|axis| {
        let mut values: Vec<f64> = members.iter().map(|&member| places[member][axis]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    });
    let squared = |member: &usize| {
        let [x, y] = [0, 1].map(|axis| places[*member][axis] - median[axis]);
        x * x + y * y
    };
    members.sort_by(|a, b| squared(a).total_cmp(&squared(b)));
    members.truncate(members.len().div_ceil(2));
    members[0]
}

/// The centre of a picture above, below, left or right of `members`, inside the map and
/// off the pictures at `taken`, that hides the fewest marks.
fn beside(
    places: &[[f64; 2]],
    members: &[usize],
    half: [f64; 2],
    taken: &[[f64; 2]],
) -> Option<[f64; 2]> {
    let bounds = [0, 1].map(|axis| {
        let values = members.iter().map(|&member| places[member][axis]);
        values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
            [low.min(value), high.max(value)]
        })
    });
    let [x, y] = bounds.map(|[low, high]| (low + high) / 2.0);
    let [above, below] = [-1.0, 1.0].map(|side| {
        let edge = if side < 0.0 {
            bounds[1][0]
        } else {
            bounds[1][1]
        };
        [x, edge + side * (half[1] + 8.0)]
    });
    let [left, right] = [-1.0, 1.0].map(|side| {
        let edge = if side < 0.0 {
            bounds[0][0]
        } else {
            bounds[0][1]
        };
        [edge + side * (half[0] + 8.0), y]
    });
    let near = |a: &[f64; 2], b: &[f64; 2], room: f64| {
        (0..2).all(|axis| (a[axis] - b[axis]).abs() < room * half[axis] + 3.0)
    };
    let fits = |centre: &[f64; 2]| {
        let inside = (0..2).all(|axis| {
            centre[axis] - half[axis] > 1.0 && centre[axis] + half[axis] < SIZE[axis] - 1.0
        });
        inside && !taken.iter().any(|other| near(centre, other, 2.0))
    };
    let hidden = |centre: &[f64; 2]| {
        places
            .iter()
            .filter(|place| near(centre, place, 1.0))
            .count()
    };
    let sides = [above, below, left, right].into_iter().filter(fits);
    sides.min_by_key(hidden)
}

#[cfg(test)]
mod tests {
    use super::super::judged::tests::embedded;
    use super::*;

    #[test]
    fn every_sample_of_the_chosen_classes_has_a_mark_inside() {
        let (embedded, _) = embedded(30, 6, 1);
        let classes = embedded.tensors.by_class(2);
        let map = figure(
            &embedded,
            &classes,
            |class| format!("<class {class}>"),
            |sample| Some(format!("data:,{sample}")),
        );
        let picture = map.picture.to_string();
        assert_eq!(picture.matches("<title>").count(), CLASSES * 6);
        assert!(!picture.contains("<class"));
        assert_eq!(map.keys.len(), CLASSES);
        let images = picture.matches("<image").count();
        assert!((1..=CLASSES).contains(&images), "{images}");
        let again = figure(&embedded, &classes, |_| String::new(), |_| None);
        assert!(!again.picture.to_string().contains("<image"));
    }

    #[test]
    fn places_fill_the_picture() {
        let places = fitted(&[[-3.0, 5.0], [1.0, 5.0], [9.0, 5.0]]);
        assert_eq!(places[0], [MARGIN, SIZE[1] / 2.0]);
        assert_eq!(places[2], [SIZE[0] - MARGIN, SIZE[1] / 2.0]);
    }
}
