//! Packed steps as one operator of tract.
//!
//! What an operator costs besides its kernel, memory of its own above all, is as much as a
//! small layer's work. So steps that follow each other, with no other reader between, become
//! one operator: only what leaves it is a tensor of tract's.

use core::cell::RefCell;
use std::sync::Arc;
use std::vec;
use std::vec::Vec;

use tract_onnx::tract_hir::internal::*;

use crate::engine::int8::step::PackedStep;

/// One step of a chain.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) step: PackedStep,
    /// What the step was packed from.
    pub(super) weights: Vec<u8>,
    /// Height, width and channels of one output.
    pub(super) output: [usize; 3],
    /// Whether the step overwrites its first input.
    pub(super) in_place: bool,
}

/// Steps one after the other, on `[batch, height, width, channels]`. The first may read two
/// tensors.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    name: StaticName,
    links: Vec<Arc<Link>>,
}

impl Kernel {
    pub(super) fn new(name: StaticName, link: Link) -> Self {
        Self {
            name,
            links: vec![Arc::new(link)],
        }
    }
}

impl Link {
    fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Computes the step; see [`PackedStep::compute`].
    fn compute(&self, input: &[u8], output: &mut [u8], scratch: &mut Vec<u8>) -> TractResult<()> {
        if scratch.len() < self.step.scratch_len() {
            scratch.resize(self.step.scratch_len(), 0);
        }
        let done = self.step.compute(&self.weights, input, output, scratch);
        done.context("expected weights of the sizes that are stated")
    }
}

/// Memory of a thread, which grows to what the largest chain needs.
#[derive(Default)]
struct Memory {
    /// What kernels keep lines in.
    scratch: Vec<u8>,
    /// What is between two links, and what comes next.
    between: [Vec<u8>; 2],
}

std::thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Memory {
    /// Runs `links` from a sample to a sample; `other` is the first one's second input.
    fn run(
        &mut self,
        links: &[Arc<Link>],
        input: &[u8],
        other: &[u8],
        output: &mut [u8],
    ) -> TractResult<()> {
        let [current, next] = &mut self.between;
        let last = links.len() - 1;
        for (place, link) in links.iter().enumerate() {
            let from = if place == 0 {
                input
            } else {
                current.as_slice()
            };
            let target = if place == last {
                &mut *output
            } else {
                next.resize(link.output_len(), 0);
                next.as_mut_slice()
            };
            if link.in_place {
                target.copy_from_slice(from);
                link.compute(other, target, &mut self.scratch)?;
            } else {
                link.compute(from, target, &mut self.scratch)?;
            }
            core::mem::swap(current, next);
        }
        Ok(())
    }
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.links.iter().zip(&other.links);
        self.links.len() == other.links.len() && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

impl Eq for Kernel {}

impl Op for Kernel {
    fn name(&self) -> StaticName {
        self.name.clone()
    }

    op_as_typed_op!();
}

impl EvalOp for Kernel {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let last = self.links.last().context("expected a step")?;
        let batch = inputs[0].shape()[0];
        let [height, width, channels] = last.output;
        let mut written = Tensor::zero::<u8>(&[batch, height, width, channels])?;
        let views = inputs.iter().map(|input| input.try_as_plain_ram());
        let views = views.collect::<TractResult<TVec<_>>>()?;
        let slice = |index: usize| match views.get(index) {
            Some(view) => view.as_slice::<u8>(),
            None => Ok([].as_slice()),
        };
        let inputs = [slice(0)?, slice(1)?];
        let mut plain = written.try_as_plain_ram_mut()?;
        let outputs = plain
            .as_slice_mut::<u8>()?
            .chunks_exact_mut(last.output_len());
        MEMORY.with_borrow_mut(|memory| {
            for (sample, output) in outputs.enumerate() {
                let [input, other] = inputs.map(|input| {
                    let len = input.len() / batch;
                    &input[sample * len..(sample + 1) * len]
                });
                memory.run(&self.links, input, other, output)?;
            }
            TractResult::Ok(())
        })?;
        Ok(tvec!(written.into_tvalue()))
    }
}

impl TypedOp for Kernel {
    as_op!();

    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let last = self.links.last().context("expected a step")?;
        let [height, width, channels] = last.output.map(|size| size.to_dim());
        let shape = [inputs[0].shape[0].clone(), height, width, channels];
        Ok(tvec!(u8::datum_type().fact(&shape)))
    }

    fn fuse(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        let Some(follower) = model.single_succ(node.id)? else {
            return Ok(None);
        };
        match follower.op_as::<Self>() {
            Some(next) if follower.inputs.len() == 1 => {
                let chain = Self {
                    name: self.name.clone(),
                    links: self.links.iter().chain(&next.links).cloned().collect(),
                };
                TypedModelPatch::fuse_with_next(model, node, chain).map(Some)
            }
            _ => Ok(None),
        }
    }
}
