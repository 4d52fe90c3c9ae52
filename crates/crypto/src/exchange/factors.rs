//! RSA moduli that anybody can take apart: with a small factor, made by the Infineon library of
//! CVE-2017-15361 (ROCA), or of two primes close to each other. Sees public numbers only, so that
//! nothing here needs constant time.

use crypto_bigint::BoxedUint;

use super::error::ExchangeError;

/// Refuses a modulus whose factors can be had from it alone. Its length must have been checked
/// before: the work grows with it.
pub(super) fn hidden(modulus: &[u8]) -> Result<(), ExchangeError> {
    if modulus.last().is_none_or(|byte| byte % 2 == 0) {
        return Err(ExchangeError::Weak {
            why: "the modulus is even",
        });
    }
    if small_primes().any(|prime| remainder(modulus, prime) == 0) {
        return Err(ExchangeError::Weak {
            why: "the modulus has a small factor",
        });
    }
    if infineon(modulus) {
        return Err(ExchangeError::Factorable {
            why: "it was made by the faulty Infineon library (ROCA, CVE-2017-15361)",
        });
    }
    if close_primes(modulus) {
        return Err(ExchangeError::Factorable {
            why: "its primes are next to each other (Fermat's method; CVE-2022-26320)",
        });
    }
    Ok(())
}

/// The largest prime that divides the Infineon library's constant M, for moduli of 1,984 bits and
/// more: M is the product of the first 126 primes (for those of 3,968 bits and more, of the first
/// 225).
const INFINEON_PRIME_MAX: u32 = 701;

/// Whether the modulus is one of the Infineon library's: its primes are `k·M + (65537^a mod M)`,
/// so modulo each prime that divides M the modulus is a power of 65537 (Nemec, Sys, Svenda,
/// Klinec, Matyas: "The Return of Coppersmith's Attack", CCS 2017, section 2.1). A modulus of
/// random primes passes for one once in 2^167.
fn infineon(modulus: &[u8]) -> bool {
    small_primes()
        .take_while(|prime| *prime <= INFINEON_PRIME_MAX)
        .all(|prime| is_power_of_65537(remainder(modulus, prime), prime))
}

fn is_power_of_65537(number: u32, prime: u32) -> bool {
    let mut power = 1;
    loop {
        if power == number {
            return true;
        }
        power = power * (65537 % prime) % prime;
        if power == 1 {
            return false;
        }
    }
}

/// How far Fermat's method is taken. Primes of 1,024 bits that were drawn at random take about
/// 2^1000 rounds; those of faulty libraries that were found in use, fewer than 20.
const FERMAT_ROUNDS: usize = 100;

/// Whether Fermat's method takes the modulus apart: n = a² - b², for an a near the square root of n,
/// gives the factors a + b and a - b.
fn close_primes(modulus: &[u8]) -> bool {
    let bits = modulus.len() as u32 * 8;
    // One limb more than the modulus has: a² is larger than n.
    let modulus = BoxedUint::from_be_slice_truncated(modulus, bits + 64);
    let root = modulus.floor_sqrt_vartime();
    let one = BoxedUint::one_with_precision(bits + 64);
    if root.wrapping_square() == modulus {
        return true;
    }
    let mut a = root.wrapping_add(&one);
    let mut b_squared = a.wrapping_square().wrapping_sub(&modulus);
    for _ in 0..FERMAT_ROUNDS {
        if is_square(&b_squared) {
            return true;
        }
        // (a + 1)² = a² + a + (a + 1)
        b_squared = b_squared.wrapping_add(&a);
        a = a.wrapping_add(&one);
        b_squared = b_squared.wrapping_add(&a);
    }
    false
}

/// The remainders that squares leave modulo 64, a bit for each: four of five other numbers are
/// known by it.
const SQUARES_MODULO_64: u64 = 0x0202_0212_0203_0213;

fn is_square(number: &BoxedUint) -> bool {
    let last = number.as_words().first().map_or(0, |word| word % 64);
    SQUARES_MODULO_64 >> last & 1 == 1 && number.checked_sqrt_vartime().is_some()
}

/// `bytes`, big endian, modulo a small number.
fn remainder(bytes: &[u8], divisor: u32) -> u32 {
    bytes
        .iter()
        .fold(0, |rest, byte| ((rest << 8) | u32::from(*byte)) % divisor)
}

/// The odd primes below 2,000.
fn small_primes() -> impl Iterator<Item = u32> {
    (3..2000u32).step_by(2).filter(|candidate| {
        (3..)
            .step_by(2)
            .take_while(|divisor| divisor * divisor <= *candidate)
            .all(|divisor| candidate % divisor != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remainders_of_squares_are_all_there_and_nothing_else() {
        let squares = (0..64u64).fold(0, |found, root| found | 1 << (root * root % 64));
        assert_eq!(squares, SQUARES_MODULO_64);
    }

    #[test]
    fn powers_of_65537_are_told_from_other_numbers() {
        // Modulo 11, 65537 is 10, whose powers are 1 and 10.
        let powers: Vec<_> = (0..11).filter(|it| is_power_of_65537(*it, 11)).collect();
        assert_eq!(powers, [1, 10]);
        // Modulo 13, it is 4, of order 6.
        let powers: Vec<_> = (0..13).filter(|it| is_power_of_65537(*it, 13)).collect();
        assert_eq!(powers, [1, 3, 4, 9, 10, 12]);
    }
}
