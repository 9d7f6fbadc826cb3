//! The training samples, decoded once, where training runs.

use anyhow::Result;
use shared::preprocess::InputShape;
use tch::{Device, Kind, Tensor};

use crate::dataset::by_class::by_class;
use crate::dataset::{ClassSamples, Kind as SampleKind, Tensors};
use crate::loss::Labels;

use super::symmetries;

/// All training samples, on the training's device where it has room for them.
#[derive(Debug)]
pub struct TrainingData {
    /// uint8 `[n, c, h, w]`.
    pixels: Tensor,
    /// int64 `[n]`, 0 to the number of classes.
    classes: Tensor,
    /// bool `[n]`.
    genuine: Tensor,
    population: Vec<ClassSamples>,
    device: Device,
}

impl TrainingData {
    /// Puts preprocessed samples, with `rotations` their turns as further
    /// classes, on `device`. What does not fit there stays on the host, from where
    /// batches are copied.
    ///
    /// # Errors
    /// When an input is to be turned that is no square.
    pub fn new(tensors: &Tensors, rotations: bool, device: Device) -> Result<Self> {
        let upright = planes(&tensors.pixels, tensors.preprocess.shape());
        let turned = match rotations {
            true => symmetries::all(upright, &tensors.preprocess)?,
            false => vec![upright],
        };
        let pixels = Tensor::cat(&turned, 0);
        let count = tensors.classes.iter().max().map_or(0, |&class| class + 1);
        let (mut classes, mut kinds) = (vec![], vec![]);
        for turn in 0..turned.len() as u32 {
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

    /// Bytes of samples, uint8 `[indices, c, h, w]` on the training's device.
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

/// Preprocessed samples, channels of a pixel side by side, as uint8 `[n, c, h, w]`.
pub fn planes(bytes: &[u8], shape: InputShape) -> Tensor {
    let [height, width, channels] = [shape.height, shape.width, shape.channels].map(i64::from);
    let rows = Tensor::from_slice(bytes).reshape([-1, height, width, channels]);
    rows.permute([0, 3, 1, 2]).contiguous()
}

fn index_tensor(indices: &[usize]) -> Tensor {
    let indices: Vec<i64> = indices.iter().map(|&index| index as i64).collect();
    Tensor::from_slice(&indices).to_kind(Kind::Int64)
}
