//! The host's end of a session.

use shared::wire::{Opened, Pairing, Refusal, Request, Response};
use zeroize::Zeroize;

use super::{ATTEMPTS, Client, ClientError, Line};
use crate::link::{Initiator, KEY_LEN, KeyPair, PublicKey, SECOND_LEN, Session};

/// The session that there is, and what another one like it needs.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    current: Option<Session>,
    with: Option<With>,
}

/// Who has a session with whom.
#[derive(Clone, Debug)]
struct With {
    host: KeyPair,
    device: PublicKey,
}

/// A device that a session began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paired {
    /// What the device goes by.
    pub device: PublicKey,
    /// What the host is to it.
    pub pairing: Pairing,
}

impl Sessions {
    pub(super) fn current(&mut self) -> Option<&mut Session> {
        self.current.as_mut()
    }

    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// The message of an answer, in plain. In a session, that is the one that the device sealed
    /// next; none of any other.
    pub(super) fn open<'a>(&mut self, answer: Opened<'a>) -> Result<Option<&'a [u8]>, ClientError> {
        let Some(session) = &mut self.current else {
            return Ok(Some(answer.payload()));
        };
        match answer.message::<Response<'_>>() {
            Ok(Response::Sealed { bytes }) => {
                let length = bytes.len();
                let opened = session.open(answer.tail(length));
                Ok(opened.ok().map(|plain| &*plain))
            }
            Ok(Response::Refused(Refusal::Session)) => Err(ClientError::Session),
            _ => Ok(None),
        }
    }
}

impl<L: Line> Client<L> {
    /// Begins a session as `host` with the device, which goes by `device` if that is known.
    /// What is asked from then on is sealed.
    ///
    /// # Errors
    /// [`ClientError::Stranger`], before the device is told who asks; every other
    /// [`ClientError`].
    pub fn pair(
        &mut self,
        host: &KeyPair,
        device: Option<&PublicKey>,
    ) -> Result<Paired, ClientError> {
        self.sessions = Sessions::default();
        let mut random = [0; KEY_LEN];
        getrandom::fill(&mut random).map_err(|_| ClientError::Randomness)?;
        let begun = Initiator::begin(random);
        random.zeroize();
        let (initiator, first) = begun.map_err(|_| ClientError::Randomness)?;
        let introduced = match self.ask(&Request::Handshake { bytes: &first })? {
            Response::Handshake { bytes } => {
                let second = <&[u8; SECOND_LEN]>::try_from(bytes);
                let second = second.map_err(|_| ClientError::Answer)?;
                initiator.meet(second).map_err(|_| ClientError::Answer)?
            }
            Response::Refused(refusal) => return Err(ClientError::Handshake(refusal)),
            _ => return Err(ClientError::Answer),
        };
        let found = *introduced.device();
        if device.is_some_and(|known| *known != found) {
            return Err(ClientError::Stranger(found));
        }
        let finished = introduced.finish(host).map_err(|_| ClientError::Answer)?;
        let (session, third) = finished;
        // Sent in plain, and answered in the session.
        let frame = self.frame(&Request::Handshake { bytes: &third })?;
        self.sessions.current = Some(session);
        let pairing = self.welcomed(&frame);
        if pairing.is_err() {
            self.sessions.end();
        }
        self.sessions.with = Some(With {
            host: host.clone(),
            device: found,
        });
        pairing.map(|pairing| Paired {
            device: found,
            pairing,
        })
    }

    /// What the device says to the last message of the handshake.
    fn welcomed(&mut self, frame: &[u8]) -> Result<Pairing, ClientError> {
        let answer = self.deliver(frame, ATTEMPTS)?;
        match self.read(answer)? {
            Response::Paired(pairing) => Ok(pairing),
            Response::Refused(refusal) => Err(ClientError::Handshake(refusal)),
            _ => Err(ClientError::Answer),
        }
    }

    /// Begins another session with the same device where one ended: what was to be sealed is
    /// never sent in plain.
    pub(super) fn renew(&mut self) -> Result<(), ClientError> {
        let Some(with) = self.sessions.with.clone() else {
            return Ok(());
        };
        if self.sessions.current.is_some() {
            return Ok(());
        }
        let paired = self.pair(&with.host, Some(&with.device));
        self.sessions.with = Some(with);
        paired.map(|_| ())
    }
}
