//! Sigmoid and hyperbolic tangent of 16-bit numbers, on straight lines between the numbers of
//! a table: exact by definition, 258 bytes, for processors without a floating-point unit too.

/// `round(32768 / (1 + exp(-i / 16)))`.
const SIGMOID: [u16; 129] = [
    16384, 16896, 17407, 17916, 18421, 18923, 19420, 19912, 20397, 20874, 21344, 21804, 22255,
    22696, 23127, 23547, 23955, 24352, 24737, 25110, 25471, 25819, 26155, 26479, 26790, 27090,
    27377, 27653, 27917, 28169, 28411, 28642, 28862, 29072, 29272, 29462, 29644, 29816, 29979,
    30135, 30282, 30422, 30555, 30680, 30799, 30912, 31018, 31119, 31214, 31304, 31389, 31469,
    31545, 31616, 31684, 31747, 31807, 31864, 31917, 31968, 32015, 32060, 32102, 32141, 32179,
    32214, 32247, 32278, 32307, 32335, 32361, 32385, 32408, 32430, 32450, 32469, 32487, 32504,
    32520, 32535, 32549, 32562, 32574, 32586, 32597, 32607, 32617, 32626, 32635, 32643, 32650,
    32657, 32664, 32670, 32676, 32682, 32687, 32692, 32696, 32701, 32705, 32709, 32712, 32716,
    32719, 32722, 32725, 32727, 32730, 32732, 32734, 32736, 32738, 32740, 32742, 32743, 32745,
    32746, 32747, 32749, 32750, 32751, 32752, 32753, 32754, 32755, 32756, 32756, 32757,
];

/// One, of a gate.
pub(super) const ONE: i32 = 1 << 15;

/// The sigmoid of a number in steps of 2^-12, in steps of 2^-15; the number is cut to 16 bits.
#[inline(never)]
pub fn sigmoid(input: i32) -> i32 {
    let input = saturate(input);
    let magnitude = input.unsigned_abs().min(32767);
    let (index, fraction) = ((magnitude >> 8) as usize, magnitude & 255);
    let at = |index: usize| SIGMOID.get(index).map_or(0, |&value| u32::from(value));
    let value = (at(index) * (256 - fraction) + at(index + 1) * fraction + 128) >> 8;
    match input < 0 {
        true => ONE - value as i32,
        false => value as i32,
    }
}

/// The hyperbolic tangent of such a number, in steps of 2^-15.
pub fn tanh(input: i32) -> i32 {
    2 * sigmoid(2 * saturate(input)) - ONE
}

fn saturate(input: i32) -> i32 {
    input.clamp(i16::MIN.into(), i16::MAX.into())
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_sigmoid() {
        for (index, &value) in SIGMOID.iter().enumerate() {
            let exact = 32768.0 / (1.0 + (-(index as f64) / 16.0).exp());
            assert_eq!(f64::from(value), exact.round(), "{index}");
            // No other way of computing it could round to another number.
            assert!((exact - exact.floor() - 0.5).abs() > 1e-4, "{index}");
        }
    }

    #[test]
    fn gates_are_near_what_they_are_called() {
        for input in i32::from(i16::MIN)..=i16::MAX.into() {
            let real = f64::from(input) / 4096.0;
            let sigma = f64::from(sigmoid(input)) / 32768.0;
            assert!(
                (sigma - 1.0 / (1.0 + (-real).exp())).abs() < 7e-5,
                "{input}"
            );
            // Beyond 4 it stays as it is there.
            let tangent = f64::from(tanh(input)) / 32768.0;
            assert!((tangent - real.tanh()).abs() < 7e-4, "{input}");
        }
    }
}
