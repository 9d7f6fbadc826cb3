//! The training samples, decoded once, where training runs.

use anyhow::{Result, ensure};
use tch::{Device, Kind, Tensor};

use crate::dataset::by_class::by_class;
use crate::dataset::{ClassSamples, Kind as SampleKind, Tensors};
use crate::loss::Labels;

/// All training samples, on the training's device where it has room for them.
#[derive(Debug)]
pub struct TrainingData {
    /// uint8 `[n, 1, h, w]`.
    pixels: Tensor,
    /// int64 `[n]`, 0 to the number of classes.
    classes: Tensor,
    /// bool `[n]`.
    genuine: Tensor,
    population: Vec<ClassSamples>,
    device: Device,
}

impl TrainingData {
    /// Puts preprocessed samples, with `rotations` their quarter turns as further
    /// classes, on `device`. What does not fit there stays on the host, from where
    /// batches are copied.
    ///
    /// # Errors
    /// When an input is to be turned that is no square.
    pub fn new(tensors: &Tensors, rotations: bool, device: Device) -> Result<Self> {
        let (height, width) = (tensors.preprocess.height, tensors.preprocess.width);
        ensure!(
            !rotations || height == width,
            "expected a square input for quarter turns, found {height} x {width}: choose --rotations false, or a square --input"
        );
        let turns = if rotations { 4 } else { 1 };
        let shape = [tensors.len() as i64, 1, i64::from(height), i64::from(width)];
        let upright = Tensor::from_slice(&tensors.pixels).reshape(shape);
        let turned: Vec<Tensor> = (0..turns).map(|turn| upright.rot90(turn, [2, 3])).collect();
        let pixels = Tensor::cat(&turned, 0);
        let count = tensors.classes.iter().max().map_or(0, |&class| class + 1);
        let (mut classes, mut kinds) = (vec![], vec![]);
        for turn in 0..turns as u32 {
            classes.extend(tensors.classes.iter().map(|class| class + turn * count));
            kinds.extend(&tensors.kinds);
        }
        let population = by_class(&classes, &kinds);
        // Classes of the data set that are not for training leave no gaps.
        let mut places = vec![0i64; classes.len()];
        for (place, class) in (0i64..).zip(&population) {
            for &sample in class.genuine.iter().chain(&class.forged) {
                places[sample] = place;
            }
        }
        let genuine: Vec<bool> = kinds.iter().map(|&k| k == SampleKind::Genuine).collect();
        Ok(Self {
            pixels: pixels.f_to_device(device).unwrap_or(pixels),
            classes: Tensor::from_slice(&places).to_device(device),
            genuine: Tensor::from_slice(&genuine).to_device(device),
            population,
            device,
        })
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.pixels.size()[0] as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The samples of each class, in class order.
    pub fn population(&self) -> &[ClassSamples] {
        &self.population
    }

    /// Bytes of samples, uint8 `[indices, 1, h, w]` on the training's device.
    pub fn samples(&self, indices: &[usize]) -> Tensor {
        let chosen = index_tensor(indices).to_device(self.pixels.device());
        self.pixels.index_select(0, &chosen).to_device(self.device)
    }

    /// Class and kind of samples.
    pub fn labels(&self, indices: &[usize]) -> Labels {
        let chosen = index_tensor(indices).to_device(self.device);
        Labels {
            class: self.classes.index_select(0, &chosen),
            genuine: self.genuine.index_select(0, &chosen),
        }
    }
}

fn index_tensor(indices: &[usize]) -> Tensor {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    Tensor::from_slice(&indices).to_kind(Kind::Int64)
}
