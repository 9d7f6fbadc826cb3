//! What training minimises. One loss per file; the distance is injected.

pub mod contrastive;
pub mod triplet;

use tch::Tensor;

/// Who is in a batch: `[n]` tensors on the embeddings' device.
#[derive(Debug)]
pub struct Labels {
    /// Class of each sample (int64).
    pub class: Tensor,
    /// Whether each sample is of its class (bool); a forgery is not.
    pub genuine: Tensor,
}

impl Labels {
    /// `[n, n]` bool: two different genuine samples of one class.
    pub fn positives(&self) -> Tensor {
        let itself = Tensor::eye(self.class.size()[0], (tch::Kind::Bool, self.class.device()));
        self.same_class()
            .logical_and(&self.both_genuine())
            .logical_and(&itself.logical_not())
    }

    /// `[n, n]` bool: row genuine, column of another class or a forgery.
    pub fn negatives(&self) -> Tensor {
        let forged = self.genuine.logical_not().unsqueeze(0);
        let apart = self.same_class().logical_not().logical_or(&forged);
        self.genuine.unsqueeze(1).logical_and(&apart)
    }

    fn same_class(&self) -> Tensor {
        self.class.unsqueeze(1).eq_tensor(&self.class.unsqueeze(0))
    }

    fn both_genuine(&self) -> Tensor {
        self.genuine
            .unsqueeze(1)
            .logical_and(&self.genuine.unsqueeze(0))
    }
}
