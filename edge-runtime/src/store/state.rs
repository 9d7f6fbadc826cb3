//! What a device keeps beside templates.

/// The most bytes of a state.
pub const MAX_STATE: usize = 136;

/// What a device keeps beside templates, sealed like them: bytes whose meaning others know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The hosts that the device is paired with.
    Hosts,
    /// How often whom somebody claimed to be was rejected.
    Failures,
    /// Whose models the device runs.
    Trust,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Hosts, Self::Failures, Self::Trust];

    /// Its slot in a store that lasts; templates have those from [`FIRST_TEMPLATE`] on.
    #[cfg(any(feature = "std", feature = "flash"))]
    pub(super) fn slot(self) -> u32 {
        match self {
            Self::Hosts => 1,
            Self::Failures => 2,
            Self::Trust => 3,
        }
    }
}

/// The first slot of templates.
#[cfg(any(feature = "std", feature = "flash"))]
pub(super) const FIRST_TEMPLATE: u32 = 16;

/// The states of a store, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct States([heapless::Vec<u8, MAX_STATE>; State::ALL.len()]);

impl States {
    /// No bytes of any.
    pub const fn new() -> Self {
        Self([const { heapless::Vec::new() }; State::ALL.len()])
    }

    /// The bytes of a state; none where there never were any.
    pub fn get(&self, state: State) -> &[u8] {
        self.0.get(state as usize).map_or(&[], |bytes| bytes)
    }

    /// Takes bytes, of which there are at most [`MAX_STATE`]; whether they fit.
    pub fn set(&mut self, state: State, bytes: &[u8]) -> bool {
        let Some(place) = self.0.get_mut(state as usize) else {
            return false;
        };
        match heapless::Vec::from_slice(bytes) {
            Ok(bytes) => *place = bytes,
            Err(_) => return false,
        }
        true
    }

    /// Takes bytes, and gives back those that were there; none of both where they do not fit.
    #[cfg(feature = "flash")]
    pub(super) fn replace(
        &mut self,
        state: State,
        bytes: &[u8],
    ) -> Option<heapless::Vec<u8, MAX_STATE>> {
        let place = self.0.get_mut(state as usize)?;
        let bytes = heapless::Vec::from_slice(bytes).ok()?;
        Some(core::mem::replace(place, bytes))
    }

    /// Those that have bytes.
    #[cfg(any(feature = "std", feature = "flash"))]
    pub(super) fn all(&self) -> impl Iterator<Item = (State, &[u8])> {
        let all = State::ALL.into_iter().map(|state| (state, self.get(state)));
        all.filter(|(_, bytes)| !bytes.is_empty())
    }
}
