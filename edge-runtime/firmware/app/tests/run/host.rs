//! The line, and a host at its end.

use std::sync::mpsc::{Receiver, Sender};

use edge_runtime::link::{Initiator, KeyPair, SECOND_LEN, Session};
use embedded_io::{ErrorKind, ErrorType, Read, Write};
use shared::ModelId;
use shared::wire::{self, Frames, MAX_FRAME, Pairing, Refusal, Request, Response};

/// A line that breaks when the host lets go of it.
pub(crate) struct Link {
    pub(crate) receive: Receiver<u8>,
    pub(crate) send: Sender<u8>,
}

impl ErrorType for Link {
    type Error = ErrorKind;
}

impl Read for Link {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
        bytes[0] = self.receive.recv().map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(1)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        for byte in bytes {
            let sent = self.send.send(*byte);
            sent.map_err(|_| ErrorKind::BrokenPipe)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

/// The host at the other end.
pub(crate) struct Host {
    receive: Receiver<u8>,
    send: Sender<u8>,
    frames: Frames,
    answer: Vec<u8>,
    id: u16,
    session: Option<Session>,
    /// The last frame that was sent.
    sent: Vec<u8>,
}

impl Host {
    /// The end of a line, without a session.
    pub(crate) fn new(receive: Receiver<u8>, send: Sender<u8>) -> Self {
        Self {
            receive,
            send,
            frames: Frames::new(),
            answer: vec![],
            id: 0,
            session: None,
            sent: vec![],
        }
    }

    pub(crate) fn ask(&mut self, request: &Request<'_>) -> Response<'_> {
        self.id += 1;
        let mut frame = [0; MAX_FRAME];
        let length = match &mut self.session {
            None => wire::encode(self.id, request, &mut frame),
            Some(session) => {
                let seal = |plain: &mut [u8]| session.seal(plain);
                wire::encode_sealed(self.id, request, &mut frame, seal)
            }
        };
        self.sent = frame[..length.unwrap()].to_vec();
        let mut answer = self.exchange();
        self.answer = match &mut self.session {
            None => wire::open(&mut answer).unwrap().payload().to_vec(),
            Some(session) => match wire::decode(&mut answer).unwrap() {
                (_, Response::Sealed { bytes }) => {
                    session.open(&mut bytes.to_vec()).unwrap().to_vec()
                }
                other => panic!("{other:?}"),
            },
        };
        wire::message(&self.answer).unwrap()
    }

    /// Sends the last frame; the one that answers it.
    pub(crate) fn exchange(&mut self) -> Vec<u8> {
        for byte in &self.sent {
            self.send.send(*byte).unwrap();
        }
        loop {
            if let Some(frame) = self.frames.push(self.receive.recv().unwrap()) {
                let id = wire::open(&mut frame.to_vec()).unwrap().id;
                assert_eq!(id, self.id);
                return frame.to_vec();
            }
        }
    }

    /// Begins a session.
    pub(crate) fn pair(&mut self) -> Pairing {
        self.pair_as([1; 32])
    }

    /// Ends a session, as a host that comes anew does.
    pub(crate) fn leave(&mut self) {
        self.session = None;
        let version = wire::VERSION;
        self.ask(&Request::Hello { version });
    }

    /// Begins a session, as the host of this secret.
    pub(crate) fn pair_as(&mut self, secret: [u8; 32]) -> Pairing {
        let (initiator, first) = Initiator::begin([3; 32]).unwrap();
        let second: [u8; SECOND_LEN] = match self.ask(&Request::Handshake { bytes: &first }) {
            Response::Handshake { bytes } => bytes.try_into().unwrap(),
            other => panic!("{other:?}"),
        };
        let keys = KeyPair::new(secret).unwrap();
        let introduced = initiator.meet(&second).unwrap();
        let (session, third) = introduced.finish(&keys).unwrap();
        self.id += 1;
        let mut frame = [0; MAX_FRAME];
        let third = Request::Handshake { bytes: &third };
        let length = wire::encode(self.id, &third, &mut frame).unwrap();
        self.sent = frame[..length].to_vec();
        let mut answer = self.exchange();
        let session = self.session.insert(session);
        match wire::decode(&mut answer).unwrap() {
            (_, Response::Sealed { bytes }) => {
                let mut bytes = bytes.to_vec();
                match wire::message(session.open(&mut bytes).unwrap()).unwrap() {
                    Response::Paired(pairing) => pairing,
                    other => panic!("{other:?}"),
                }
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn model(&mut self) -> Option<ModelId> {
        let version = wire::VERSION;
        match self.ask(&Request::Hello { version }) {
            Response::Hello { model, .. } => model,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn send_model(&mut self, artifact: &[u8]) -> Option<Refusal> {
        let length = artifact.len() as u32;
        let begin = Request::ModelBegin { length };
        assert_eq!(self.ask(&begin), Response::Done);
        for (index, bytes) in artifact.chunks(640).enumerate() {
            let offset = 640 * index as u32;
            let chunk = Request::ModelChunk { offset, bytes };
            assert_eq!(self.ask(&chunk), Response::Done);
        }
        match self.ask(&Request::ModelCommit) {
            Response::Refused(refusal) => Some(refusal),
            other => {
                assert_eq!(other, Response::Done);
                None
            }
        }
    }

    /// Has the board look at what is drawn next.
    pub(crate) fn look(&mut self) {
        let captured = self.ask(&Request::Capture);
        assert!(matches!(captured, Response::Captured { channels: 1, .. }));
    }
}
