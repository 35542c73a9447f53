//! Products and quotients of 128-bit integers that need more bits on the way.

/// a x b / c, rounded half to even. `None` when c is zero or the result does not fit an i128.
pub(crate) fn mul_div_half_even(a: i128, b: i128, c: i128) -> Option<i128> {
    let negative = (a < 0) ^ (b < 0) ^ (c < 0);
    let (high, low) = widening_mul(a.unsigned_abs(), b.unsigned_abs());
    let divisor = c.unsigned_abs();
    let (quotient, remainder) = div_wide(high, low, divisor)?;
    let twice = remainder.checked_mul(2);
    let round_up = match twice {
        Some(twice) if twice < divisor => false,
        Some(twice) if twice == divisor => quotient % 2 == 1,
        _ => true,
    };
    let magnitude = quotient.checked_add(u128::from(round_up))?;
    let signed = i128::try_from(magnitude).ok()?;
    Some(if negative { -signed } else { signed })
}

/// The 256-bit product of two 128-bit numbers, as (high, low).
pub(crate) fn widening_mul(a: u128, b: u128) -> (u128, u128) {
    const MASK: u128 = (1 << 64) - 1;
    let (a_high, a_low) = (a >> 64, a & MASK);
    let (b_high, b_low) = (b >> 64, b & MASK);
    let low = a_low * b_low;
    let middle_1 = a_high * b_low + (low >> 64);
    let middle_2 = a_low * b_high + (middle_1 & MASK);
    let high = a_high * b_high + (middle_1 >> 64) + (middle_2 >> 64);
    (high, (middle_2 << 64) | (low & MASK))
}

/// (high, low) / divisor, as (quotient, remainder). `None` when the quotient exceeds 128 bits.
fn div_wide(high: u128, low: u128, divisor: u128) -> Option<(u128, u128)> {
    if divisor == 0 || high >= divisor {
        return None;
    }
    if high == 0 {
        return Some((low / divisor, low % divisor));
    }
    // Long division, a bit at a time: rare (products beyond 2^128), so clarity wins.
    let (mut quotient, mut remainder) = (0u128, high);
    for bit in (0..128).rev() {
        let carry = remainder >> 127;
        remainder = (remainder << 1) | ((low >> bit) & 1);
        quotient <<= 1;
        if carry == 1 || remainder >= divisor {
            remainder = remainder.wrapping_sub(divisor);
            quotient |= 1;
        }
    }
    Some((quotient, remainder))
}
