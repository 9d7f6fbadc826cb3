//! Attempts of whom nobody paired to be recognised, counted before they are looked at.

use shared::lockout::{Claim, ENCODED_LEN, Lockout};
use shared::wire::{Refusal, Response};

use super::{Board, Running};
use crate::engine::Engine;
use crate::link::Role;
use crate::store::{State, StateStore, TemplateStore};

/// The counts that a device kept, whose waits begin now.
pub(super) fn kept<E, S, C, const SHOTS: usize, const DIM: usize>(
    running: &mut Running<'_, E, S, SHOTS, DIM>,
    board: &mut C,
) -> Lockout
where
    E: Engine,
    S: TemplateStore<SHOTS, DIM> + StateStore,
    C: Board,
{
    let Ok(store) = running.store() else {
        return Lockout::new();
    };
    let counts = Lockout::decode(store.state(State::Failures), now(board));
    // Sealed as they were, they are ours, if not of this version.
    counts.unwrap_or_default()
}

/// Seconds since the device's start.
fn now(board: &mut impl Board) -> u32 {
    let seconds = board.seconds().unwrap_or(0);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// An attempt. A paired host, which sees how close it comes anyway, is not counted; where it
/// has somebody accepted, that claim's failures are forgiven.
pub(super) struct Attempt<'a> {
    lockout: &'a mut Lockout,
    claim: Claim<'a>,
    is_counted: bool,
    now: u32,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(
        lockout: &'a mut Lockout,
        claim: Claim<'a>,
        role: Role,
        board: &mut impl Board,
    ) -> Self {
        Self {
            lockout,
            claim,
            is_counted: role == Role::Anyone,
            now: now(board),
        }
    }

    /// Counts it as a failure, or says how long to wait.
    pub(super) fn begin(
        &mut self,
        store: &mut impl StateStore,
    ) -> Result<Option<Response<'static>>, Refusal> {
        if !self.is_counted {
            return Ok(None);
        }
        let seconds = self.lockout.left(self.claim, self.now);
        if seconds > 0 {
            return Ok(Some(Response::Locked { seconds }));
        }
        self.lockout.begin(self.claim, self.now);
        keep(self.lockout, store)?;
        Ok(None)
    }

    /// It was a success, or the failure that it was counted as. Both are written, so that both
    /// take as long.
    pub(super) fn end(self, store: &mut impl StateStore, is_accepted: bool) -> Result<(), Refusal> {
        let forgives = is_accepted && self.lockout.failures(self.claim) > 0;
        if forgives {
            self.lockout.succeed(self.claim);
        }
        match self.is_counted || forgives {
            true => keep(self.lockout, store),
            false => Ok(()),
        }
    }
}

/// Writes the counts down.
pub(super) fn keep(lockout: &Lockout, store: &mut impl StateStore) -> Result<(), Refusal> {
    let mut bytes = [0; ENCODED_LEN];
    let written = store.set_state(State::Failures, lockout.encode(&mut bytes));
    written.map_err(|_| Refusal::Store)
}
