//! How a training went: loss, validation figure and learning rate.

use super::chart::{Axis, Chart};
use super::events::History;
use super::page::{Figure, Key};
use super::scale::Scale;

/// Steps that are averaged into one point of the loss curve, at most this many points.
const POINTS: usize = 200;

/// The curves of a training; none where nothing was written down.
pub fn figures(history: &History) -> Vec<Figure> {
    let mut figures = vec![];
    if !history.steps.is_empty() {
        figures.push(loss(history));
    }
    if !history.epochs.is_empty() {
        figures.push(validation(history));
    }
    if !history.steps.is_empty() {
        figures.push(learning_rate(history));
    }
    figures
}

fn step_axis(history: &History) -> Axis {
    let steps = history.steps.keys().map(|&step| step as f64);
    Axis::new(Scale::around(steps.chain([0.0])), "step")
}

fn loss(history: &History) -> Figure {
    let points: Vec<[f64; 2]> = history
        .steps
        .iter()
        .map(|(&step, event)| [step as f64, event.loss])
        .collect();
    let losses = points.iter().map(|point| point[1]);
    let y = Scale::around(losses.chain([0.0]));
    let mut chart = Chart::new(step_axis(history), Axis::new(y, "loss of a batch"));
    let smooth: Vec<[f64; 2]> = points
        .chunks(points.len().div_ceil(POINTS))
        .map(mean)
        .collect();
    chart.curve(points.iter().copied(), "faint");
    chart.curve(smooth.iter().copied(), "line first");
    Figure {
        title: "Loss".into(),
        picture: chart.finish("Loss of each training step"),
        keys: vec![
            Key::line("faint", "each step"),
            Key::line("first", "mean of neighbouring steps"),
        ],
        words: last(&smooth).map_or(String::new(), |loss| format!("At the end: {loss:.4}.")),
    }
}

fn validation(history: &History) -> Figure {
    let epochs = history.epochs.iter();
    let points: Vec<[f64; 2]> = epochs
        .map(|(&e, event)| [e as f64, event.validation])
        .collect();
    let x = Scale::around(points.iter().map(|point| point[0]));
    let y = Scale::around(points.iter().map(|point| point[1]));
    let best = history.best();
    let figure = best.map_or("", |(_, epoch)| epoch.figure.as_str());
    let title = if figure.is_empty() {
        "validation figure"
    } else {
        figure
    };
    let mut chart = Chart::new(Axis::new(x, "epoch"), Axis::new(y, title));
    chart.curve(points.iter().copied(), "line second");
    let mut words = String::new();
    if let Some((number, epoch)) = best {
        let place = [number as f64, epoch.validation];
        chart.crossed(place, [place[0]; 2], [place[1]; 2], "dot");
        words = format!(
            "Best: {:.4} after epoch {number}, whose weights were kept.",
            epoch.validation
        );
    }
    Figure {
        title: "Validation".into(),
        picture: chart.finish("Validation figure after each epoch"),
        keys: vec![
            Key::line("second", "on classes that are not learnt from"),
            Key::dot("dot", "best epoch"),
        ],
        words,
    }
}

fn learning_rate(history: &History) -> Figure {
    let steps = history.steps.iter();
    let points = steps.map(|(&step, event)| [step as f64, event.learning_rate]);
    let y = Scale::around(points.clone().map(|point| point[1]).chain([0.0]));
    let mut chart = Chart::new(step_axis(history), Axis::new(y, "learning rate"));
    chart.curve(points, "line third");
    Figure {
        title: "Learning rate".into(),
        picture: chart.finish("Learning rate of each training step"),
        keys: vec![],
        words: String::new(),
    }
}

fn mean(points: &[[f64; 2]]) -> [f64; 2] {
    let sum = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>();
    [0, 1].map(|axis| sum(axis) / points.len() as f64)
}

fn last(points: &[[f64; 2]]) -> Option<f64> {
    points.last().map(|point| point[1])
}

#[cfg(test)]
mod tests {
    use super::super::events::{Epoch, Step};
    use super::*;

    fn history(steps: u64) -> History {
        let step = |step| {
            let event = Step {
                loss: 1.0 / step as f64,
                learning_rate: 0.1,
            };
            (step, event)
        };
        let epoch = |number: u64| {
            let event = Epoch {
                step: number * 10,
                loss: 1.0,
                validation: 0.5 - (number as f64 - 2.0).abs() / 10.0,
                figure: "<b>figure</b>".into(),
            };
            (number, event)
        };
        History {
            steps: (1..=steps).map(step).collect(),
            epochs: (1..=steps / 10).map(epoch).collect(),
            ..History::default()
        }
    }

    #[test]
    fn a_training_has_three_curves() {
        let figures = figures(&history(1000));
        assert_eq!(figures.len(), 3);
        assert!(figures[1].words.contains("0.5000 after epoch 2"));
        assert!(!figures[1].picture.to_string().contains("<b>"));
        for figure in &figures {
            assert!(!figure.picture.to_string().contains("NaN"));
        }
    }

    #[test]
    fn a_training_that_hardly_began_has_what_there_is() {
        assert_eq!(figures(&History::default()), []);
        assert_eq!(figures(&history(1)).len(), 2);
    }
}
