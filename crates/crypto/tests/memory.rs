//! Invariant 12, looked at from outside: a process uses a key of every symmetric algorithm and
//! drops it; another one reads the whole of its memory. While the key is held its bytes are there,
//! in locked pages; afterwards they are nowhere.
//!
//! No harness: the process that holds the keys is this program, started once more.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

use keyward_crypto::keywrap::Kek;
use keyward_crypto::{
    Algorithm, CryptoError, Family, KeyMaterial, MessageContext, PreparedKey, Random, SecretBytes,
    SystemRandom, Usage,
};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("hold") => hold(&std::env::args().nth(2).unwrap()),
        Some("--list") => println!("memory: test"),
        _ => look(),
    }
}

/// Keeps only what it derived from the key.
const DERIVED_ONLY: &str = "aes-256-gcm-siv-convergent";

const KEK: &str = "a key-encryption key";

/// The symmetric algorithms, whose keys are our own memory throughout. The asymmetric ones live in
/// AWS-LC's, which wipes what it frees.
fn names() -> Vec<&'static str> {
    let symmetric = Algorithm::ALL.iter().filter(|algorithm| {
        matches!(
            algorithm.info().family,
            Family::Aead | Family::Mac | Family::KeyWrap
        )
    });
    symmetric
        .map(|algorithm| algorithm.name())
        .chain([KEK])
        .collect()
}

/// Draws bytes that can be computed again, but are in no constant: byte i is i · 167 + 41.
struct Known;

const fn known(i: usize) -> u8 {
    (i as u8).wrapping_mul(167).wrapping_add(41)
}

impl Random for Known {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = known(i);
        }
        Ok(())
    }
}

/// The process that is looked at: holds a key, says so, waits for a line, uses it, drops it, says
/// so, waits for another line.
fn hold(name: &str) {
    if name == KEK {
        let kek = Kek::generate(&Known).unwrap();
        say_and_wait("held");
        let wrapped = kek.wrap(&[7; 32]).unwrap();
        assert_eq!(kek.unwrap(&wrapped).unwrap().expose(), [7; 32]);
    } else {
        let key = prepare(name.parse().unwrap());
        say_and_wait("held");
        make_use(&key);
    }
    say_and_wait("dropped");
}

fn prepare(algorithm: Algorithm) -> PreparedKey {
    let material = KeyMaterial::generate(algorithm, &Known).unwrap();
    // As it is stored and read back.
    let stored = SecretBytes::copy_from(material.encode().expose());
    assert!(material.fingerprint() != [0; 32]);
    let again = KeyMaterial::decode(algorithm, &stored).unwrap();
    PreparedKey::new(&again).unwrap()
}

fn make_use(key: &PreparedKey) {
    let none = BTreeMap::new();
    let context = MessageContext {
        key_id: uuid::Uuid::from_u128(7),
        version: 1,
        context: &none,
    };
    let usages = key.algorithm().info().usages;
    if usages.contains(Usage::Encrypt) {
        let sealed = key.encrypt(&context, b"a message", &SystemRandom).unwrap();
        assert_eq!(
            key.decrypt(&context, &sealed).unwrap().expose(),
            b"a message"
        );
    }
    if usages.contains(Usage::Wrap) {
        let wrapped = key.wrap_key(&context, &[9; 32], &SystemRandom).unwrap();
        assert_eq!(
            key.unwrap_key(&context, &wrapped).unwrap().expose(),
            [9; 32]
        );
    }
    if usages.contains(Usage::Mac) {
        let tag = key.mac(b"a message").unwrap();
        key.verify_mac(b"a message", &tag).unwrap();
    }
    if usages.contains(Usage::Derive) {
        key.derive(b"label", b"context", 32).unwrap();
    }
}

fn say_and_wait(word: &str) {
    println!("{word}");
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
}

/// The process that looks.
fn look() {
    let mut table = String::new();
    let mut lingering = Vec::new();
    for name in names() {
        let mut holder = Holder::start(name);
        holder.wait_for("held");
        let held = holder.places();
        let keeps = name != DERIVED_ONLY;
        assert_eq!(!held.is_empty(), keeps, "{name}: the key is held somewhere");
        holder.go_on();
        holder.wait_for("dropped");
        let left = holder.places();
        let _ = writeln!(table, "{name}: held in {held:?}, afterwards in {left:?}");
        if !left.is_empty() {
            lingering.push(name);
        }
        holder.go_on();
        assert!(holder.child.wait().unwrap().success(), "{name}");
    }
    print!("{table}");
    assert!(lingering.is_empty(), "keys linger: {lingering:?}");
    println!(
        "test result: ok. {} keys, none left in memory",
        names().len()
    );
}

struct Holder {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Holder {
    fn start(name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["hold", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), word);
    }

    fn go_on(&mut self) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(b"\n").unwrap();
        stdin.flush().unwrap();
    }

    /// Where in the other process 16 bytes of the key are: the kind of mapping, for each.
    fn places(&self) -> Vec<String> {
        let needle: Vec<u8> = (0..16).map(known).collect();
        let id = self.child.id();
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
        let memory = std::fs::File::open(format!("/proc/{id}/mem")).unwrap();
        let mut places = Vec::new();
        for line in maps.lines() {
            let mut fields = line.split_whitespace();
            let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
            let (start, end) = range.split_once('-').unwrap();
            let start = u64::from_str_radix(start, 16).unwrap();
            let end = u64::from_str_radix(end, 16).unwrap();
            if !access.starts_with("rw") {
                continue;
            }
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            if memory.read_exact_at(&mut bytes, start).is_err() {
                continue; // Pages of devices.
            }
            let found = bytes.windows(needle.len()).filter(|w| *w == needle).count();
            let what = fields.nth(3).unwrap_or("anonymous").to_owned();
            places.extend(std::iter::repeat_n(what, found));
        }
        places
    }
}
