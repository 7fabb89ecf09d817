//! Floats and decimal digits: the shortest digits of a float, and the float nearest to digits.
//!
//! Both multiply by a power of ten of 128 bits, except where digits and power are exact floats.
//! [`shortest`] is Raffaello Giulietti's Schubfach ("The Schubfach way to render doubles"), for which
//! so many bits always suffice. [`nearest`] gives up where they do not, and at the ends of the range;
//! std's `parse` takes over then.

use super::digits;

/// Whether floats have no more bits while they are computed with, as on x86 without SSE2.
const ROUNDS_ONCE: bool = cfg!(any(not(target_arch = "x86"), target_feature = "sse2"));

/// The powers of ten in the table: all that [`shortest`] needs.
const LEAST: i32 = -292;
const COUNT: usize = 617;

/// The highest 128 bits of each power of ten, the first of them set, rounded up.
static POWERS: [u128; COUNT] = {
    // A power of five has as many binary digits in use as the power of ten.
    let mut powers = [0; COUNT];
    let (mut up, mut down) = (Wide([0; LIMBS]), Wide([0; LIMBS]));
    (up.0[0], down.0[LIMBS - 1]) = (1, 1 << 63);
    let mut power = 0;
    while power < COUNT {
        let zero = -LEAST as usize;
        if zero + power < COUNT {
            powers[zero + power] = up.highest();
            up = up.times_five();
        }
        if power < zero {
            down = down.divided_by_five();
            // What the division cut is never zero.
            powers[zero - power - 1] = down.highest_cut() + 1;
        }
        power += 1;
    }
    powers
};

/// Enough for 5^324, and for 128 bits of a quotient by 5^292.
const LIMBS: usize = 14;

/// A large integer, or the digits of a fraction: the lowest limb first.
struct Wide([u64; LIMBS]);

impl Wide {
    const fn times_five(mut self) -> Wide {
        let (mut carry, mut limb) = (0, 0);
        while limb < LIMBS {
            let product = self.0[limb] as u128 * 5 + carry;
            (self.0[limb], carry) = (product as u64, product >> 64);
            limb += 1;
        }
        self
    }

    const fn divided_by_five(mut self) -> Wide {
        let (mut rest, mut limb) = (0, LIMBS);
        while limb > 0 {
            limb -= 1;
            let part = rest << 64 | self.0[limb] as u128;
            (self.0[limb], rest) = ((part / 5) as u64, part % 5);
        }
        self
    }

    /// The limb that is so many below the highest one in use.
    const fn limb(&self, below: usize) -> u64 {
        let mut top = LIMBS - 1;
        while self.0[top] == 0 {
            top -= 1;
        }
        if below > top { 0 } else { self.0[top - below] }
    }

    /// The highest 128 bits.
    const fn highest_cut(&self) -> u128 {
        let shift = self.limb(0).leading_zeros();
        let two = (self.limb(0) as u128) << 64 | self.limb(1) as u128;
        two << shift | ((self.limb(2) as u128) << shift) >> 64
    }

    /// The same, rounded up.
    const fn highest(&self) -> u128 {
        let mut is_cut = self.limb(2) << self.limb(0).leading_zeros() != 0;
        let mut below = 3;
        while below < LIMBS {
            is_cut |= self.limb(below) != 0;
            below += 1;
        }
        self.highest_cut() + is_cut as u128
    }
}

/// The binary logarithm of a power of ten, rounded down.
fn log2_of(power: i32) -> i32 {
    (power * 1_741_647) >> 19
}

/// The highest 128 of the 192 bits of a product.
fn multiply(power: u128, factor: u64) -> u128 {
    let low = (u128::from(power as u64) * u128::from(factor)) >> 64;
    (power >> 64) * u128::from(factor) + low
}

/// The shortest decimal that reads back as the float `mantissa * 2^exponent`: digits and a power of
/// ten. Of several it is the nearest, of two that are as near the even one. `is_lowest` says that the
/// float below is nearer than the float above.
pub(super) fn shortest(mantissa: u64, exponent: i32, is_lowest: bool) -> (u64, i32) {
    let power = (exponent * 1_262_611 - if is_lowest { 524_031 } else { 0 }) >> 22;
    let shift = exponent + log2_of(-power) + 1;
    let ten = POWERS[(-power - LEAST) as usize];
    // Quarters of the last digit. The lowest bit is set where something was cut.
    let quarters = |factor: u64| {
        let product = multiply(ten, factor << shift);
        (product >> 64) as u64 | u64::from(product as u64 != 0)
    };
    // The ends themselves read back as the float where its mantissa is even.
    let odd = mantissa % 2;
    let lowest = quarters(4 * mantissa - 2 + u64::from(is_lowest)) + odd;
    let value = quarters(4 * mantissa);
    let highest = quarters(4 * mantissa + 2) - odd;
    let inside =
        |digits: u64, unit: u64| (lowest <= 4 * unit * digits, 4 * unit * (digits + 1) <= highest);
    let digits = value / 4;
    let (down, up) = inside(digits / 10, 10);
    if digits >= 10 && down != up {
        return (digits / 10 + u64::from(up), power + 1);
    }
    let (down, mut up) = inside(digits, 1);
    if down == up {
        let half = 4 * digits + 2;
        up = value > half || value == half && digits % 2 == 1;
    }
    (digits + u64::from(up), power)
}

/// The float of `precision` bits that is nearest to `digits * 10^power`. `None` if it takes more
/// than the table to tell, or if it may be below `2^least` or above all floats.
pub(super) fn nearest(digits: u64, power: i32, precision: u32, least: i32) -> Option<f64> {
    let is_exact = digits < 1 << 53 && precision == 53 && ROUNDS_ONCE;
    if let (true, Some(&ten)) = (is_exact, digits::POWERS.get(power.unsigned_abs() as usize)) {
        // Two exact floats. The processor rounds as it should.
        let (digits, ten) = (digits as f64, ten as f64);
        return Some(if power < 0 { digits / ten } else { digits * ten });
    }
    if digits == 0 {
        return Some(0.0);
    }
    let ten = *POWERS.get(usize::try_from(power.checked_sub(LEAST)?).ok()?)?;
    let shift = digits.leading_zeros();
    let high = (multiply(ten, digits << shift) >> 64) as u64;
    let cut = u64::BITS - precision - high.leading_zeros();
    let (rest, half) = (high & ((1 << cut) - 1), 1 << (cut - 1));
    // The power was rounded up: the product may be a little below what it looks like.
    if rest == half {
        return None;
    }
    let mantissa = (high >> cut) + u64::from(rest > half);
    let exponent = cut as i32 - shift as i32 + log2_of(power) + 128 - 127;
    let fits = (least.max(-1022)..=1023).contains(&exponent);
    fits.then(|| mantissa as i64 as f64 * f64::from_bits(((exponent + 1023) as u64) << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u64 = if cfg!(miri) { 100 } else { 20_000 };
    const STEP: usize = if cfg!(miri) { 7 } else { 1 };

    /// Numbers that look random, small and large.
    fn numbers() -> impl Iterator<Item = u64> {
        let mut state = 1u64;
        (0..COUNT).map(move |step| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1 << 33 | 1);
            (state ^ state >> 29) >> (step % 53)
        })
    }

    /// `number * 5^times`, the lowest 32 bits first.
    fn times_five(number: u128, times: i32) -> Vec<u32> {
        let mut product: Vec<_> = (0..4).map(|limb| (number >> (32 * limb)) as u32).collect();
        for _ in 0..times {
            let mut carry = 0;
            for limb in &mut product {
                carry += u64::from(*limb) * 5;
                (*limb, carry) = (carry as u32, carry >> 32);
            }
            product.push(carry as u32);
        }
        product
    }

    /// The number of binary digits.
    fn length(number: &[u32]) -> usize {
        let used = number.iter().rposition(|limb| *limb != 0).map_or(0, |top| top + 1);
        used * 32 - number[..used].last().map_or(0, |top| top.leading_zeros() as usize)
    }

    #[test]
    fn each_power_in_the_table_is_exact_or_the_next_larger_one() {
        for (power, &ten) in (LEAST..).zip(&POWERS) {
            assert!(ten.leading_zeros() == 0, "{power}");
            let five = times_five(1, power.max(0));
            let bit = |at: usize| u128::from(five[at / 32] >> (at % 32) & 1);
            let top = length(&five);
            let highest =
                (0..128).fold(0, |sum, index| sum << 1 | top.checked_sub(index + 1).map_or(0, bit));
            if power >= 0 {
                // A power of five is odd, so something was cut wherever it has more digits.
                assert_eq!(ten, highest + u128::from(top > 128), "{power}");
            } else {
                // A power of two is between them, so `ten` is that power divided by the one of five.
                let product = length(&times_five(ten, -power));
                assert!(length(&times_five(ten - 1, -power)) < product, "{power}");
            }
        }
    }

    #[test]
    fn the_nearest_float_is_that_of_std_where_there_is_one() {
        let mut found = 0u64;
        for (number, power) in numbers().zip((-340..340).step_by(STEP).cycle()) {
            let text = format!("{number}e{power}");
            if let Some(value) = nearest(number, power, 53, -1074) {
                assert_eq!(Ok(value), text.parse(), "{text}");
                found += 1;
            }
            if let Some(value) = nearest(number, power / 8, 24, -149) {
                let text = format!("{number}e{}", power / 8);
                assert_eq!(Ok(value as f32), text.parse(), "{text}");
            }
        }
        assert!(found > COUNT / 5 * 4, "{found}");
        // Between two floats: it is not told.
        assert_eq!(nearest((1 << 53) + 1, 0, 53, -1074), None);
    }

    #[test]
    fn few_digits_are_written_as_by_std_and_read_back() {
        for (number, places) in numbers().zip((0..12).cycle()) {
            let value = (number % 10u64.pow(15)) as f64 / 10f64.powi(places);
            let is_plain = |value: f64| value == 0.0 || value >= 1e-6;
            if is_plain(value) {
                let text = crate::json::to_string(&value).unwrap();
                assert_eq!(text, format!("{value}"));
                assert_eq!(crate::json::from_str(&text), Ok(value), "{text}");
            }
            let value = (number % 1_000_000) as f32 / 10f32.powi(places);
            if is_plain(value.into()) {
                assert_eq!(crate::json::to_string(&value).unwrap(), format!("{value}"));
            }
        }
    }

    #[test]
    fn the_shortest_digits_read_back_and_are_as_many_as_those_of_std() {
        for bits in numbers().map(|number| number.rotate_left(11)) {
            let value = f64::from_bits(bits & (u64::MAX >> 1));
            if value.is_finite() && value != 0.0 {
                let text = crate::json::to_string(&value).unwrap();
                assert_eq!(text.parse(), Ok(value), "{text}");
                let digits = |text: &str| {
                    let text = text.split('e').next().unwrap_or_default().replace('.', "");
                    text.trim_matches('0').len()
                };
                assert_eq!(digits(&text), digits(&format!("{value:e}")), "{text}");
            }
        }
    }
}
