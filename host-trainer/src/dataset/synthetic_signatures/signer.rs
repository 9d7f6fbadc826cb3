//! Signers: a name, a style, a flourish and a hand, drawn once.

use super::flourish::FLOURISHES;
use super::glyphs::{CAPITALS, Glyph, small};
use super::hand::{Hand, Plan};
use super::noise::{Noise, Purpose};
use super::style::{Scribe, Style};

/// A person who signs. Holds the motor program that all their signatures share.
///
/// The same seed and index make the same signer, whatever other signers there are.
#[derive(Clone, Debug)]
pub struct Signer {
    pub(super) seed: u64,
    pub(super) index: u32,
    /// What the signer writes.
    pub(super) plan: Plan,
    /// How.
    pub(super) hand: Hand,
    /// Height of small letters, millimetres: the yardstick of all variation.
    pub(super) x_height: f32,
    /// How much the signer varies, relative to the average one.
    pub(super) inconstancy: f32,
}

/// What signatures consist of.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// Two or three large capitals.
    Initials,
    /// A capital and a word.
    Surname,
    /// An initial and a surname.
    InitialAndSurname,
    /// Two capitals with words.
    FullName,
    /// A capital, and a line that only hints at letters.
    Thread,
    /// A large capital and a row of loops.
    Loops,
}

const LAYOUTS: &[Layout] = &[
    Layout::Initials,
    Layout::Surname,
    Layout::Surname,
    Layout::InitialAndSurname,
    Layout::InitialAndSurname,
    Layout::FullName,
    Layout::FullName,
    Layout::Thread,
    Layout::Thread,
    Layout::Loops,
];

impl Signer {
    /// The signer number `index` of the population `seed`.
    pub fn new(seed: u64, index: u32) -> Self {
        let mut noise = Noise::new(seed, Purpose::Signer, [index, 0, 0]);
        let style = Style::new(&mut noise);
        let layout = noise.pick(LAYOUTS);
        let mut plan = write_name(layout, &style, &mut noise);
        noise
            .pick(FLOURISHES)
            .add(&mut plan, style.rise, &mut noise);
        if let Some(first) = plan.targets.first() {
            plan.start = first.at;
        }
        Self {
            seed,
            index,
            hand: hand(style.x_height, &mut noise),
            x_height: style.x_height,
            inconstancy: noise.factor(0.25),
            plan,
        }
    }

    /// The number of the signer.
    pub fn index(&self) -> u32 {
        self.index
    }
}

/// The hand of a person who writes their own name.
fn hand(x_height: f32, noise: &mut Noise) -> Hand {
    Hand {
        interval: noise.range(0.055, 0.09),
        usual_stroke: x_height,
        isochrony: noise.range(0.25, 0.45),
        overlap: noise.range(0.24, 0.4),
        sigma: noise.range(0.18, 0.32),
        feedback: noise.range(0.5, 0.8),
        amplitude_noise: noise.range(0.02, 0.05),
        direction_noise: noise.range(0.02, 0.05),
        timing_noise: noise.range(0.04, 0.1),
        hesitation: 0.01,
        tremor: 0.04 * noise.uniform() * noise.uniform(),
        pressure: noise.range(0.55, 0.85),
        pressure_drop: noise.range(0.1, 0.5),
        down_pressure: noise.range(0.0, 0.2),
    }
}

fn write_name(layout: Layout, style: &Style, noise: &mut Noise) -> Plan {
    let capital = |noise: &mut Noise| -> &'static Glyph {
        &CAPITALS[noise.below(CAPITALS.len() as u32) as usize]
    };
    let capitals = [capital(noise), capital(noise), capital(noise)];
    let (long, short) = (name(4, 8, noise), name(3, 6, noise));
    let (few, middle) = (2 + noise.below(2) as usize, noise.range(1.0, 1.5));
    let loops = noise.pick(&["lelel", "ellele", "gegg", "yell", "fel", "eeee"]);
    let joined = style.joins_capitals;
    let mut scribe = Scribe::new(style, noise);
    match layout {
        Layout::Initials => {
            for glyph in &capitals[..few] {
                scribe.capital(glyph, 1.7);
                scribe.space(-0.3);
            }
        }
        Layout::Surname => {
            scribe.capital(capitals[0], 1.2);
            scribe.word(&long, joined);
        }
        Layout::InitialAndSurname => {
            scribe.capital(capitals[0], middle);
            scribe.space(0.3);
            scribe.capital(capitals[1], middle);
            scribe.word(&long, joined);
        }
        Layout::FullName => {
            scribe.capital(capitals[0], 1.0);
            scribe.word(&short, joined);
            scribe.space(1.0);
            scribe.capital(capitals[1], 1.0);
            scribe.word(&long, joined);
        }
        Layout::Thread => {
            scribe.capital(capitals[0], 1.4);
            scribe.word(&short[..few.min(short.len())], joined);
            scribe.word(&hint(&long), true);
        }
        Layout::Loops => {
            scribe.capital(capitals[0], 1.5);
            scribe.word(&spell(loops), joined);
        }
    }
    scribe.finish()
}

/// A made-up name of syllables, between these lengths.
fn name(least: usize, most: usize, noise: &mut Noise) -> Vec<&'static Glyph> {
    const ONSETS: &[&str] = &[
        "b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "br", "ch",
        "gr", "ll", "nd", "rt", "st", "tr", "ss", "tt", "z",
    ];
    const VOWELS: &[&str] = &[
        "a", "e", "i", "o", "u", "y", "e", "a", "i", "ie", "ea", "ou",
    ];
    const ENDS: &[&str] = &["", "", "n", "r", "s", "l", "t", "ng", "y", "tz"];
    let mut text = String::new();
    if noise.chance(0.6) {
        text.push_str(noise.pick(VOWELS));
    }
    while text.len() < least {
        text.push_str(noise.pick(ONSETS));
        text.push_str(noise.pick(VOWELS));
    }
    if noise.chance(0.5) && text.len() + 2 < most {
        text.push_str(noise.pick(ONSETS));
        text.push_str(noise.pick(VOWELS));
    }
    text.push_str(noise.pick(ENDS));
    spell(&text)
}

/// What a hurried writer leaves of a word: its humps.
fn hint(word: &[&'static Glyph]) -> Vec<&'static Glyph> {
    let humps = word.iter().map(|glyph| match glyph.name {
        'a' | 'd' | 'o' | 'g' | 'e' | 'c' => 'e',
        'm' | 'n' | 'h' | 'p' => 'n',
        'l' | 'b' | 'k' | 'f' => 'l',
        _ => 'v',
    });
    spell(&humps.collect::<String>())
}

fn spell(text: &str) -> Vec<&'static Glyph> {
    text.chars().filter_map(small).collect()
}
