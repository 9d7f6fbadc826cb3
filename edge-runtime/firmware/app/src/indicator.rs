//! What people at the device see.

use embedded_hal::digital::OutputPin;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Nothing is asked.
    Idle,
    /// A request is carried out.
    Busy,
    /// Somebody was accepted.
    Accepted,
    /// Nobody was accepted.
    Rejected,
}

/// Shows signs.
pub trait Indicator {
    /// Shows a sign, in place of the one before.
    fn show(&mut self, sign: Sign);
}

/// Shows nothing.
impl Indicator for () {
    fn show(&mut self, _: Sign) {}
}

/// A pin for each sign: high while it is shown, a lock's or a light's.
#[derive(Debug)]
pub struct Pins<A, R, B> {
    /// High from an acceptance to the next request.
    pub accept: A,
    /// High from a rejection to the next request.
    pub reject: R,
    /// High while a request is carried out.
    pub busy: B,
}

impl<A: OutputPin, R: OutputPin, B: OutputPin> Indicator for Pins<A, R, B> {
    fn show(&mut self, sign: Sign) {
        // A pin that cannot be set shows nothing; a host still has its answer.
        let _ = self.accept.set_state((sign == Sign::Accepted).into());
        let _ = self.reject.set_state((sign == Sign::Rejected).into());
        let _ = self.busy.set_state((sign == Sign::Busy).into());
    }
}
