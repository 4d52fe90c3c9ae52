#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use super::*;

/// Lines of a trace in short: strings and paths in plain text, to be written as strace does.
fn read(lines: &str) -> Result<History, HistoryError> {
    let mut trace = String::new();
    let (mut quoted, mut angled) = (false, false);
    for letter in lines.chars() {
        match letter {
            '"' => quoted = !quoted,
            '<' if !quoted => angled = true,
            '>' if !quoted => angled = false,
            letter if quoted || angled => {
                let byte = u8::try_from(letter).unwrap();
                write!(trace, "\\x{byte:02x}").unwrap();
                continue;
            }
            _ => {}
        }
        trace.push(letter);
    }
    let trace = trace.replace("{unfinished}", "<unfinished ...>");
    History::read(
        Path::new("/d"),
        &trace.replace("{resumed}", "<... close resumed>)"),
    )
}

fn effects(lines: &str) -> Vec<Effect> {
    read(lines)
        .unwrap()
        .events
        .into_iter()
        .map(|event| event.effect)
        .collect()
}

#[test]
fn a_file_is_followed_through_its_descriptor() {
    let told = effects(
        r#"1  openat(AT_FDCWD</>, "/d/a", O_RDWR|O_CREAT, 0600) = 3</d/a>
1  write(3</d/a>, "abc", 3) = 3
1  write(3</d/a>, "def", 3) = 2
1  lseek(3</d/a>, 1, SEEK_SET) = 1
1  write(3</d/a>, "X", 1) = 1
1  pwrite64(3</d/a>, "far", 3, 100) = 3
1  ftruncate(3</d/a>, 50) = 0
1  rename("/d/a", "/d/b") = 0
1  dup(3</d/b>) = 4</d/b>
1  close(3</d/b>) = 0
1  fdatasync(4</d/b>) = 0
1  unlink("/d/b") = 0
1  write(1</tty>, "elsewhere", 9) = 9
1  openat(AT_FDCWD</>, "/etc/a", O_RDWR|O_CREAT, 0600) = 3</etc/a>
1  write(3</etc/a>, "abc", 3) = 3
"#,
    );
    let (a, b, file) = (PathBuf::from("a"), PathBuf::from("b"), FileId(0));
    assert_eq!(
        told,
        [
            Effect::AddName(a.clone(), file),
            Effect::Write(file, 0, b"abc".to_vec()),
            Effect::Write(file, 3, b"de".to_vec()),
            Effect::Write(file, 1, b"X".to_vec()),
            Effect::Write(file, 100, b"far".to_vec()),
            Effect::Resize(file, 50),
            Effect::Rename(a, b.clone(), file),
            Effect::SyncFile(file),
            Effect::RemoveName(b),
        ]
    );
}

#[test]
fn a_name_that_is_given_again_is_another_file() {
    let told = effects(
        r#"1  openat(AT_FDCWD</>, "/d/a", O_RDWR|O_CREAT, 0600) = 3</d/a>
1  unlink("/d/a") = 0
1  openat(AT_FDCWD</>, "/d/a", O_RDWR|O_CREAT, 0600) = 4</d/a>
1  write(3</d/a>, "old", 3) = 3
1  write(4</d/a>, "new", 3) = 3
"#,
    );
    assert_eq!(told[3], Effect::Write(FileId(0), 0, b"old".to_vec()));
    assert_eq!(told[4], Effect::Write(FileId(1), 0, b"new".to_vec()));
}

#[test]
fn directories_are_made_and_synced() {
    let told = effects(
        r#"1  mkdir("/d/sub", 0700) = 0
1  mkdir("/d/sub", 0700) = -1 EEXIST (File exists)
1  openat(AT_FDCWD</>, "/d", O_RDONLY|O_CLOEXEC) = 3</d>
1  fsync(3</d>) = 0
1  openat(AT_FDCWD</>, "/d/sub", O_RDONLY|O_DIRECTORY) = 5</d/sub>
1  fsync(5</d/sub>) = 0
1  fsync(5</d/sub>) = -1 EIO (Input/output error)
"#,
    );
    let sub = PathBuf::from("sub");
    assert_eq!(
        told,
        [
            Effect::MakeDirectory(sub.clone()),
            Effect::SyncDirectory(PathBuf::new()),
            Effect::SyncDirectory(sub),
        ],
        "what failed did nothing"
    );
}

/// A descriptor's number is free for others before the line that says so.
#[test]
fn a_descriptor_that_is_given_again_while_it_is_closed_is_the_new_file() {
    let told = effects(
        r#"1  openat(AT_FDCWD</>, "/d/a", O_RDWR|O_CREAT, 0600) = 3</d/a>
1  close(3</d/a> {unfinished}
2  openat(AT_FDCWD</>, "/d/b", O_RDWR|O_CREAT, 0600) = 3</d/b>
1  {resumed} = 0
2  pwrite64(3</d/b>, "x", 1, 0) = 1
"#,
    );
    assert_eq!(told[2], Effect::Write(FileId(1), 0, b"x".to_vec()));
}

#[test]
fn acknowledgements_are_found_among_what_is_printed() {
    let history = read(
        "1  write(1</tty>, \"test x ... acknowledged 7 a\nacknowledged 8 b\n\", 44) = 44\n\
         1  write(1</tty>, \"ok\n\", 3) = 3\n",
    );
    let told = history.unwrap().acknowledgements;
    let told: Vec<_> = told.iter().map(|one| (one.at, &*one.text)).collect();
    assert_eq!(told, [(0, "7 a"), (0, "8 b")]);
}

#[test]
fn shared_memory_is_left_out() {
    let told = effects(
        r#"1  openat(AT_FDCWD</>, "/d/a-shm", O_RDWR|O_CREAT, 0600) = 3</d/a-shm>
1  ftruncate(3</d/a-shm>, 32768) = 0
1  mmap(NULL, 32768, PROT_READ|PROT_WRITE, MAP_SHARED, 3</d/a-shm>, 0) = 0x7f0000000000
1  unlink("/d/a-shm") = 0
"#,
    );
    assert_eq!(told, []);
}

#[test]
fn changes_that_are_not_modelled_are_refused_by_name() {
    let open = "1  openat(AT_FDCWD</>, \"/d/a\", O_RDWR|O_CREAT, 0600) = 3</d/a>\n";
    for call in [
        "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 3</d/a>, 0) = 0x7f0000000000",
        "fallocate(3</d/a>, 0, 0, 4096) = 0",
        "pwritev2(3</d/a>, [{iov_base=\"x\", iov_len=1}], 1, 0, RWF_DSYNC) = 1",
        "truncate(\"/d/a\", 0) = 0",
        "copy_file_range(9</x>, NULL, 3</d/a>, NULL, 10, 0) = 10",
        "write(8</d/b>, \"by a descriptor from nowhere\", 28) = 28",
        "unlink(\"/d/never-made\") = 0",
        "io_uring_setup(8, {flags=0}) = 7<anon>",
    ] {
        let refused = read(&format!("{open}1  {call}\n"));
        assert!(
            matches!(refused, Err(HistoryError::Unknown { line: 2, .. })),
            "{call}"
        );
    }
    let elsewhere = "1  truncate(\"/etc/a\", 0) = 0\n1  rmdir(\"/etc/b\") = 0\n";
    assert!(read(elsewhere).is_ok());
}
