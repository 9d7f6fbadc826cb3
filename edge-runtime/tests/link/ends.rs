//! Both ends of a session, without what recognises.

use edge_runtime::link::Role;
use edge_runtime::link::{HostSet, Identity, Initiator, KeyPair, SECOND_LEN, Session};
use edge_runtime::server::{Answer, NoRandomness, Outcome, Respond, Server};
use edge_runtime::store::State;
use shared::wire::{self, MAX_FRAME, Pairing, Refusal, Request, Response};

/// Numbers that look random (Marsaglia, 2003).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    pub(crate) fn key(&mut self) -> [u8; 32] {
        std::array::from_fn(|_| (self.next() >> 24) as u8)
    }
}

/// Notes what it is asked, as whom.
pub(crate) struct Notes {
    pub(crate) carried_out: Vec<(String, Role)>,
    pub(crate) forgotten: usize,
    pub(crate) kept: Vec<(State, Vec<u8>)>,
    pub(crate) random: Option<Random>,
}

impl Notes {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            carried_out: vec![],
            forgotten: 0,
            kept: vec![],
            random: Some(Random(seed)),
        }
    }
}

impl Respond for Notes {
    fn carry_out(&mut self, request: &Request<'_>, role: Role) -> Outcome<'_> {
        self.carried_out.push((format!("{request:?}"), role));
        Outcome::Answer(Response::Done)
    }

    fn verdict(&self) -> Option<bool> {
        None
    }

    fn forget(&mut self) {
        self.forgotten += 1;
    }

    fn keep(&mut self, state: State, bytes: &[u8]) -> Result<(), Refusal> {
        self.kept.push((state, bytes.to_vec()));
        Ok(())
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        let random = self.random.as_mut().ok_or(NoRandomness)?;
        bytes.fill_with(|| (random.next() >> 24) as u8);
        Ok(())
    }
}

/// A device.
pub(crate) struct Device {
    pub(crate) server: Server,
    pub(crate) notes: Notes,
    pub(crate) identity: Identity,
}

impl Device {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            server: Server::new(),
            notes: Notes::new(seed),
            identity: Identity {
                keys: Ok(KeyPair::new([7; 32]).unwrap()),
                hosts: HostSet::new(),
            },
        }
    }

    /// What it says to a frame.
    pub(crate) fn answer(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        let (notes, identity) = (&mut self.notes, &mut self.identity);
        match self.server.answer(&mut frame, notes, identity) {
            Answer::Frame(answer) => answer.to_vec(),
            Answer::Change(change) => panic!("{change:?}"),
        }
    }

    /// The refusal that it says to a request in plain.
    pub(crate) fn refusal(&mut self, id: u16, request: &Request<'_>) -> Option<Refusal> {
        refusal(&self.answer(&plain(id, request)))
    }
}

/// The frame of a request in plain.
pub(crate) fn plain(id: u16, request: &Request<'_>) -> Vec<u8> {
    let mut frame = [0; MAX_FRAME];
    let length = wire::encode(id, request, &mut frame).unwrap();
    frame[..length].to_vec()
}

/// The refusal that an answer is, in plain.
pub(crate) fn refusal(answer: &[u8]) -> Option<Refusal> {
    let mut answer = answer.to_vec();
    match wire::decode(&mut answer).unwrap() {
        (_, Response::Refused(refusal)) => Some(refusal),
        _ => None,
    }
}

/// A host in a session.
pub(crate) struct Host {
    pub(crate) session: Session,
    pub(crate) pairing: Pairing,
    id: u16,
}

impl Host {
    /// Begins a session, as the host of this secret.
    pub(crate) fn meet(device: &mut Device, secret: [u8; 32], random: [u8; 32]) -> Self {
        let (initiator, first) = Initiator::begin(random).unwrap();
        let mut second = device.answer(&plain(1, &Request::Handshake { bytes: &first }));
        let Ok((1, Response::Handshake { bytes })) = wire::decode(&mut second) else {
            panic!("no second message");
        };
        let second: &[u8; SECOND_LEN] = bytes.try_into().unwrap();
        let introduced = initiator.meet(second).unwrap();
        assert_eq!(
            introduced.device(),
            device.identity.keys.as_ref().unwrap().public()
        );
        let keys = KeyPair::new(secret).unwrap();
        let (session, third) = introduced.finish(&keys).unwrap();
        let answer = device.answer(&plain(2, &Request::Handshake { bytes: &third }));
        let mut host = Self {
            session,
            pairing: Pairing::Unknown,
            id: 2,
        };
        let opened = host.open(&answer).unwrap();
        match wire::message(&opened).unwrap() {
            Response::Paired(pairing) => host.pairing = pairing,
            other => panic!("{other:?}"),
        }
        host
    }

    /// The frame of the next request.
    pub(crate) fn seal(&mut self, request: &Request<'_>) -> Vec<u8> {
        self.id = self.id.checked_add(1).unwrap_or(1);
        let mut frame = [0; MAX_FRAME];
        let seal = |plain: &mut [u8]| self.session.seal(plain);
        let length = wire::encode_sealed(self.id, request, &mut frame, seal).unwrap();
        frame[..length].to_vec()
    }

    /// What the device sealed next.
    pub(crate) fn open(&mut self, answer: &[u8]) -> Option<Vec<u8>> {
        let sealed = &mut sealed_response(answer)?;
        self.session.open(sealed).ok().map(|plain| plain.to_vec())
    }

    /// Asks, and is answered.
    pub(crate) fn ask(&mut self, device: &mut Device, request: &Request<'_>) -> String {
        let frame = self.seal(request);
        let answer = device.answer(&frame);
        let opened = self.open(&answer).unwrap();
        format!("{:?}", wire::message::<Response<'_>>(&opened).unwrap())
    }
}

/// What a request carries sealed.
pub(crate) fn sealed_request(frame: &[u8]) -> Option<Vec<u8>> {
    match wire::decode(&mut frame.to_vec()).ok()? {
        (_, Request::Sealed { bytes }) => Some(bytes.to_vec()),
        _ => None,
    }
}

/// What an answer carries sealed.
pub(crate) fn sealed_response(frame: &[u8]) -> Option<Vec<u8>> {
    match wire::decode(&mut frame.to_vec()).ok()? {
        (_, Response::Sealed { bytes }) => Some(bytes.to_vec()),
        _ => None,
    }
}
