//! The device's end of a session.

use shared::wire::{Refusal, Request, Response};
use zeroize::Zeroize;

use super::Respond;
use crate::link::{
    FIRST_LEN, HostSet, Identity, KEY_LEN, PublicKey, Responder, Role, SECOND_LEN, Session,
    THIRD_LEN,
};
use crate::store::State;

/// A handshake that a host began, and the session that there is.
#[derive(Default)]
pub(super) struct Sessions {
    begun: Option<Responder>,
    current: Option<Session>,
}

/// What a message of a handshake led to.
pub(super) enum Step {
    /// This is the second message.
    Second([u8; SECOND_LEN]),
    /// There is another session, in which this is the first answer.
    Begun(Response<'static>),
}

impl Sessions {
    pub(super) const fn new() -> Self {
        Self {
            begun: None,
            current: None,
        }
    }

    pub(super) fn current(&mut self) -> Option<&mut Session> {
        self.current.as_mut()
    }

    /// Ends what there is.
    pub(super) fn end(&mut self) {
        *self = Self::new();
    }

    /// Goes on with a handshake. A session lasts until the other end of another one has shown
    /// who it is; what fails changes nothing.
    pub(super) fn shake_hands(
        &mut self,
        message: &[u8],
        device: &mut impl Respond,
        identity: &mut Identity,
    ) -> Result<Step, Refusal> {
        let failed = |_| Refusal::Handshake;
        if let Ok(first) = <&[u8; FIRST_LEN]>::try_from(message) {
            let keys = identity.keys.as_ref().map_err(|refusal| *refusal)?;
            let mut random = [0; KEY_LEN];
            let drawn = device.fill_random(&mut random);
            drawn.map_err(|_| Refusal::NoRandomness)?;
            let begun = Responder::answer(keys, random, first);
            random.zeroize();
            let (responder, second) = begun.map_err(failed)?;
            self.begun = Some(responder);
            return Ok(Step::Second(second));
        }
        let third = <&[u8; THIRD_LEN]>::try_from(message);
        let third = third.map_err(|_| Refusal::Handshake)?;
        let responder = self.begun.as_ref().ok_or(Refusal::Handshake)?;
        let session = responder.finish(third).map_err(failed)?;
        let keep = |hosts: &HostSet| device.keep(State::Hosts, hosts.encoded());
        let pairing = identity.welcome(session.peer(), keep);
        self.begun = None;
        self.current = Some(session);
        // It was another host's.
        device.forget();
        Ok(Step::Begun(
            pairing.map_or_else(Response::Refused, Response::Paired),
        ))
    }
}

/// Whether only a paired host may ask for it: what changes who is accepted, or tells more than
/// a verdict.
pub(super) fn is_guarded(request: &Request<'_>) -> bool {
    match request {
        Request::Hello { .. }
        | Request::ImageBegin { .. }
        | Request::PenBegin { .. }
        | Request::SampleChunk { .. }
        | Request::Capture
        | Request::Verify { .. }
        | Request::Identify
        | Request::SelfTest
        | Request::Handshake { .. }
        | Request::Sealed { .. } => false,
        Request::Enroll { .. }
        | Request::Remove { .. }
        | Request::RemoveStale
        | Request::List { .. }
        | Request::Embed
        | Request::Measure
        | Request::ModelBegin { .. }
        | Request::ModelChunk { .. }
        | Request::ModelCommit
        | Request::PairHost { .. }
        | Request::UnpairHost { .. }
        | Request::ListHosts { .. }
        | Request::Trust { .. } => true,
    }
}

/// Carries out what a request wants of the paired hosts; none where it wants something else.
pub(super) fn manage<'h>(
    request: &Request<'_>,
    role: Role,
    device: &mut impl Respond,
    identity: &'h mut Identity,
) -> Option<Response<'h>> {
    if is_guarded(request) && role != Role::Paired {
        return Some(Response::Refused(Refusal::Unpaired));
    }
    let keep = |hosts: &HostSet| device.keep(State::Hosts, hosts.encoded());
    let done = match request {
        Request::PairHost { key } => {
            public_key(key).and_then(|key| identity.change(|hosts| hosts.add(key), keep))
        }
        Request::UnpairHost { key } => {
            public_key(key).and_then(|key| identity.change(|hosts| hosts.remove(key), keep))
        }
        Request::ListHosts { index } => {
            let key = identity.hosts.keys().get(usize::from(*index));
            let key = key.map(|key| &key[..]);
            return Some(Response::Host { key });
        }
        _ => return None,
    };
    Some(done.map_or_else(Response::Refused, |()| Response::Done))
}

fn public_key(bytes: &[u8]) -> Result<&PublicKey, Refusal> {
    bytes.try_into().map_err(|_| Refusal::Malformed)
}
