//! Whether time tells secrets apart, in what this crate compares or computes itself: the method of
//! dudect (Reparaz, Balasch, Verbauwhede, 2017). Two classes of input, in random order; Welch's
//! t-test on their times, the slowest tenth cut off. |t| below 4.5 is no evidence of a leak; above
//! 10 is a leak. A comparison that does leak is measured too, to show that the method would see it.
//!
//! `cargo bench -p keyward-crypto --bench constant_time`; results in docs/constant-time.md.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use keyward_crypto::digest::constant_time_eq;
use keyward_crypto::sharing::{Share, ShareSet, split};
use keyward_crypto::{
    Algorithm, KeyMaterial, MessageContext, PreparedKey, Random, SecretBytes, SystemRandom,
};
use uuid::Uuid;

/// No evidence below, a leak above.
const QUIET: f64 = 4.5;
const LOUD: f64 = 10.0;

/// Which of two inputs.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Left,
    Right,
}

/// Times `work` on inputs of both classes, `rounds` times in all, and says what t is.
fn measure(name: &str, rounds: usize, mut work: impl FnMut(Class)) -> f64 {
    let mut coins = vec![0; rounds];
    SystemRandom.fill(&mut coins).unwrap();
    let mut times = [Vec::new(), Vec::new()];
    for coin in coins {
        let class = if coin & 1 == 0 {
            Class::Left
        } else {
            Class::Right
        };
        let begun = Instant::now();
        work(class);
        let spent = begun.elapsed().as_nanos() as f64;
        times[usize::from(coin & 1)].push(spent);
    }
    let t = welch(&mut times);
    let verdict = match t.abs() {
        t if t < QUIET => "no evidence of a leak",
        t if t < LOUD => "unclear: measure longer, on a quieter machine",
        _ => "leaks",
    };
    println!("| {name} | {rounds} | {t:.2} | {verdict} |");
    t
}

fn welch(times: &mut [Vec<f64>; 2]) -> f64 {
    let mut all: Vec<f64> = times.iter().flatten().copied().collect();
    all.sort_by(f64::total_cmp);
    let limit = all[all.len() * 9 / 10];
    let moments = times.each_mut().map(|class| {
        class.retain(|time| *time <= limit);
        let count = class.len() as f64;
        let mean = class.iter().sum::<f64>() / count;
        let variance = class.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    });
    let [(left, left_error), (right, right_error)] = moments;
    (left - right) / (left_error + right_error).sqrt()
}

/// Two guesses at one secret: wrong in the first byte, and wrong in the last.
fn guesses(length: usize) -> (Vec<u8>, [Vec<u8>; 2]) {
    let mut secret = vec![0; length];
    SystemRandom.fill(&mut secret).unwrap();
    let mut early = secret.clone();
    early[0] ^= 1;
    let mut late = secret.clone();
    late[length - 1] ^= 1;
    (secret, [early, late])
}

fn pick(pair: &[Vec<u8>; 2], class: Class) -> &[u8] {
    &pair[usize::from(class == Class::Right)]
}

fn comparison() -> f64 {
    let (secret, guesses) = guesses(32);
    measure(
        "`constant_time_eq`, 32 bytes, first or last byte wrong",
        400_000,
        |class| {
            for _ in 0..16 {
                black_box(constant_time_eq(
                    black_box(&secret),
                    black_box(pick(&guesses, class)),
                ));
            }
        },
    )
}

/// The other verdict: equal, or not.
fn equality() -> f64 {
    let (secret, [_, late]) = guesses(32);
    let pair = [secret.clone(), late];
    measure(
        "`SecretBytes::ct_eq`, 32 bytes, equal or last byte wrong",
        400_000,
        |class| {
            let held = SecretBytes::copy_from(&secret);
            for _ in 0..16 {
                black_box(black_box(&held).ct_eq(black_box(pick(&pair, class))));
            }
        },
    )
}

fn commitment() -> f64 {
    let key = KeyMaterial::generate(Algorithm::Aes256GcmCommit, &SystemRandom).unwrap();
    let key = PreparedKey::new(&key).unwrap();
    let none = BTreeMap::new();
    let context = MessageContext {
        key_id: Uuid::from_u128(1),
        version: 1,
        context: &none,
    };
    let sealed = key.encrypt(&context, &[7; 64], &SystemRandom).unwrap();
    // suite(1) ‖ salt(32) ‖ commitment(32)
    let altered = [33, 64].map(|place: usize| {
        let mut altered = sealed.clone();
        altered[place] ^= 1;
        altered
    });
    measure(
        "the check of a key commitment, first or last byte wrong",
        200_000,
        |class| {
            black_box(
                key.decrypt(&context, black_box(pick(&altered, class)))
                    .is_err(),
            );
        },
    )
}

type Split = (ShareSet, Vec<Share>);

/// Shares of a fixed secret, and of another each time: what a share's value is must not show.
fn sets() -> (Vec<Split>, Split) {
    let draw = || {
        let (_, set, shares) = split(3, 5, &SystemRandom).unwrap();
        (set, shares)
    };
    ((0..64).map(|_| draw()).collect(), draw())
}

fn share_checks() -> f64 {
    let (many, fixed) = sets();
    let mut next = 0;
    measure(
        "the check of a share against its commitments, fixed or random",
        6_000,
        |class| {
            next = (next + 1) % many.len();
            let (set, shares) = if class == Class::Left {
                &fixed
            } else {
                &many[next]
            };
            black_box(set.verify(black_box(&shares[0])).is_ok());
        },
    )
}

fn recombination() -> f64 {
    let (many, fixed) = sets();
    let mut next = 0;
    measure(
        "recombination of three shares, fixed or random secret",
        3_000,
        |class| {
            next = (next + 1) % many.len();
            let (set, shares) = if class == Class::Left {
                &fixed
            } else {
                &many[next]
            };
            black_box(set.combine(black_box(&shares[..3])).is_ok());
        },
    )
}

/// What must be seen: an ordinary comparison stops at the first difference.
fn control() -> f64 {
    let (secret, guesses) = guesses(4096);
    measure(
        "control: `==` on 4 KiB, first or last byte wrong",
        100_000,
        |class| {
            black_box(black_box(&secret[..]) == black_box(pick(&guesses, class)));
        },
    )
}

fn main() {
    println!("| what | measurements | t | verdict |\n|---|---:|---:|---|");
    let ours = [
        comparison(),
        equality(),
        commitment(),
        share_checks(),
        recombination(),
    ];
    let seen = control().abs() > LOUD;
    assert!(seen, "the method does not see a comparison that leaks");
    assert!(ours.iter().all(|t| t.abs() < LOUD), "something leaks");
}
