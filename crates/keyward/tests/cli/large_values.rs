//! Values of secrets that do not fit into memory, by the real command against the real server: flat memory,
//! nothing half, nothing altered.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::stage::{KEYWARD, Stage, mode_of, move_in, with_dev};

/// The most memory that a process ever held, in KiB (`proc(5)`).
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A file that cannot be compressed.
fn random_file(stage: &Stage, name: &str, mib: u64) -> PathBuf {
    let path = stage.path(name);
    let random = File::open("/dev/urandom").unwrap();
    let mut file = File::create(&path).unwrap();
    std::io::copy(&mut random.take(mib << 20), &mut file).unwrap();
    path
}

fn same(left: &Path, right: &Path) -> bool {
    let compared = Command::new("cmp").arg(left).arg(right).output().unwrap();
    compared.status.success()
}

/// What lies in the stage's own directory.
fn files(stage: &Stage) -> Vec<String> {
    let entries = std::fs::read_dir(stage.path("")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Bytes of everything below a directory.
fn size_of(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return std::fs::metadata(path).map_or(0, |it| it.len());
    };
    entries.map(|entry| size_of(&entry.unwrap().path())).sum()
}

#[test]
fn a_value_twice_as_large_as_its_memory_goes_up_and_down() {
    const MIB: u64 = 240;
    // What is on its way at once, and what allocators of idle threads keep: 90 MiB on a busy machine.
    const GROWTH_MAX_KIB: u64 = 120 << 10;
    let (stage, dev) = with_dev();
    // What the process needs for anything of the kind is there from here on.
    random_file(&stage, "small", 1);
    stage.keyward("secret put small --file small").done();
    stage.keyward("secret get small --out small-again").done();
    let before = peak_kib(dev.server.pid());
    let big = random_file(&stage, "big", MIB);
    let made = stage.keyward("--output json secret put dump --from-file big");
    assert_eq!(made.json()["size_bytes"], MIB << 20);
    let up = peak_kib(dev.server.pid()) - before;
    assert!(up < GROWTH_MAX_KIB, "{up} KiB more on the way in");

    stage.keyward("secret get dump --out copy").done();
    assert!(same(&big, &stage.path("copy")));
    assert_eq!(mode_of(&stage.path("copy")), 0o600);
    let down = peak_kib(dev.server.pid()) - before;
    assert!(down < GROWTH_MAX_KIB, "{down} KiB more on the way out");
    let piped = format!("{KEYWARD} secret get dump | cmp - big");
    stage.shell(&piped).done();
    stage
        .keyward("--output json secret get dump")
        .refused(5, &["value_too_large", "--out FILE"]);
    let shown = stage.keyward("secret show dump").done();
    assert!(shown.contains(&(MIB << 20).to_string()), "{shown}");
    stage
        .keyward("secret get dump --out copy")
        .refused(1, &["exists"]);
}

/// A command whose standard input the test feeds.
fn putting(stage: &Stage, name: &str) -> Child {
    let mut command = Command::new(KEYWARD);
    command.env_clear().envs(&stage.environment);
    command
        .args(["secret", "put", name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Sends as much of a value as the pipes and memories on the way do not hold: when it is taken, some of it
/// is stored.
fn half_way(stage: &Stage, child: &mut Child) {
    let before = size_of(&stage.path("data/vault"));
    let piece = vec![7; 1 << 20];
    let input = child.stdin.as_mut().unwrap();
    for _ in 0..64 {
        input.write_all(&piece).unwrap();
    }
    assert!(size_of(&stage.path("data/vault")) > before + (8 << 20));
}

/// Waits until the log says this.
fn until_logged(stage: &Stage, said: &str) {
    let mut command = Command::new(KEYWARD);
    command.env_clear().envs(&stage.environment);
    command
        .args(["audit", "tail", "--follow"])
        .stdout(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let found = lines.map_while(Result::ok).any(|line| line.contains(said));
    following.kill().unwrap();
    following.wait().unwrap();
    assert!(found, "the log never said {said}");
}

#[test]
fn i02_of_a_value_half_of_which_came_nothing_counts_whoever_was_killed() {
    let mut stage = Stage::new();
    stage.set("KEYWARD_STORAGE_BACKEND", "file");
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    stage.keyward_with("secret put other", b"hunter2").done();
    let before = size_of(&stage.path("data/vault"));

    // The sender goes away: what was stored of it is taken back.
    let mut child = putting(&stage, "dump");
    half_way(&stage, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    until_logged(&stage, "invalid_request");
    // Once a minute there is a probe as well, for a moment.
    let is_taken_back = (0..1_000).any(|_| {
        stage.keyward("status").done();
        size_of(&stage.path("data/vault")) == before
    });
    assert!(is_taken_back);
    stage
        .keyward("secret show dump")
        .refused(3, &["no such secret"]);

    // The server is killed: nothing of it counts, and the next put goes through.
    let mut child = putting(&stage, "dump");
    half_way(&stage, &mut child);
    dev.server.kill();
    drop(child.stdin.take());
    assert!(!child.wait().unwrap().success());
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    stage
        .keyward("secret show dump")
        .refused(3, &["no such secret"]);
    let big = random_file(&stage, "big", 20);
    stage.keyward("secret put dump --from-file big").done();
    stage.keyward("secret get dump --out copy").done();
    assert!(same(&big, &stage.path("copy")));
    assert_eq!(stage.keyward("secret get other").done(), "hunter2");
}

/// The stored object with this end of its name.
fn object(below: &Path, end: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = object(&path, end) {
                return Some(found);
            }
        } else if path.to_str().unwrap().ends_with(end) {
            return Some(path);
        }
    }
    None
}

#[test]
fn i08_an_altered_byte_leaves_no_file_that_looks_whole() {
    let mut stage = Stage::new();
    stage.set("KEYWARD_STORAGE_BACKEND", "file");
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    random_file(&stage, "big", 20);
    stage.keyward("secret put dump --from-file big").done();
    let part = object(&stage.path("data/vault"), ".part-000003=").unwrap();
    let mut bytes = std::fs::read(&part).unwrap();
    bytes[1 << 20] ^= 1;
    std::fs::write(&part, &bytes).unwrap();
    let before = files(&stage);
    stage.keyward("secret get dump --out copy").refused(1, &[]);
    assert_eq!(files(&stage), before);
    let piped = format!("{KEYWARD} secret get dump > half; echo $?");
    assert_eq!(stage.shell(&piped).done().trim(), "1");
    assert!(size_of(&stage.path("half")) < 20 << 20);
    let log = stage.keyward("audit tail").done();
    assert!(log.contains("record_refused"), "{log}");
    // Mended it is what it was.
    bytes[1 << 20] ^= 1;
    std::fs::write(&part, &bytes).unwrap();
    stage.keyward("secret get dump --out copy").done();
    assert!(same(&stage.path("big"), &stage.path("copy")));
}

/// Who is refused hears why, in the middle of sending.
#[test]
fn a_sender_hears_why_nothing_is_taken() {
    let mut stage = Stage::new();
    stage.set("KEYWARD_LIMITS_VALUE_BYTES", "10000000");
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    random_file(&stage, "big", 40);
    let too_large = ["at most 10000000 bytes", "too_large"];
    stage
        .keyward("secret put dump --from-file big")
        .refused(2, &too_large);
    let from_pipe = stage.shell(&format!("cat big | {KEYWARD} secret put dump"));
    from_pipe.refused(2, &too_large);
    random_file(&stage, "less", 9);
    let not_there = stage.keyward("--tenant nowhere secret put dump --from-file less");
    not_there.refused(3, &["no such tenant"]);
    stage
        .keyward("secret put dump --from-file less --expect-version 3")
        .refused(5, &["at version 0"]);
    let described = "secret put dump --from-file less --if-absent --keep 3 --label team=ward";
    stage.keyward(described).done();
    let shown = stage.keyward("secret show dump").done();
    assert!(
        shown.contains("team=ward") && shown.contains("3 versions"),
        "{shown}"
    );
}
