//! Where the stories play: a directory of their own, servers that end with them, commands with a
//! clean environment.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// The program under test.
pub const KEYWARD: &str = env!("CARGO_BIN_EXE_keyward");

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// It did what it was asked to do.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// It ended with this code, saying all this on standard error.
    #[track_caller]
    pub fn refused(self, code: i32, saying: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in saying {
            assert!(self.err.contains(part), "`{part}` is not said: {self:?}");
        }
    }

    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        serde_json::from_str(&self.done()).unwrap()
    }
}

/// Somebody at a terminal: a directory, and an environment.
pub struct Stage {
    dir: tempfile::TempDir,
    pub environment: BTreeMap<String, String>,
}

impl Stage {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let environment = [("HOME", home.to_str().unwrap()), ("PATH", "/usr/bin:/bin")];
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            environment: environment.into_iter().map(own).collect(),
            dir,
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(&self.environment)
            .current_dir(self.dir.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs `keyward` with words separated by blanks.
    pub fn keyward(&self, words: &str) -> Ended {
        self.keyward_with(words, b"")
    }

    /// The same, as often as it takes: a log that a busy server has not signed as far yet is unavailable.
    pub fn signed(&self, words: &str) -> Ended {
        let mut tries = (0..3_000).map(|_| self.keyward(words));
        let there = tries.find(|ended| ended.code != 6);
        there.unwrap_or_else(|| panic!("{words}: the log is never signed"))
    }

    /// Runs `keyward` with something on its standard input.
    pub fn keyward_with(&self, words: &str, input: &[u8]) -> Ended {
        let mut command = self.command(KEYWARD);
        command.args(words.split_whitespace());
        finish(command, input)
    }

    /// Runs a line as a shell does.
    pub fn shell(&self, line: &str) -> Ended {
        let mut command = self.command("/bin/sh");
        command.args(["-c", line]);
        finish(command, b"")
    }

    /// Starts `keyward dev` in the directory `data`, and waits until it has said hello.
    pub fn dev(&self) -> Dev {
        let mut command = self.command(KEYWARD);
        command
            .args(["dev", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.path("data"));
        let mut server = Server(command.spawn().unwrap());
        let mut greeting = String::new();
        let mut out = BufReader::new(server.0.stdout.take().unwrap());
        while !greeting.contains("Stop it with") {
            if out.read_line(&mut greeting).unwrap() == 0 {
                let mut said = String::new();
                server
                    .0
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut said)
                    .unwrap();
                panic!("keyward dev did not start: {greeting}{said}");
            }
        }
        Dev { server, greeting }
    }

    /// Starts `keyward serve` and waits until it listens; answers with its address.
    pub fn serve(&self, words: &str) -> (Server, String) {
        let mut command = self.command(KEYWARD);
        command.arg("serve").args(words.split_whitespace());
        let mut server = Server(command.spawn().unwrap());
        let mut said = String::new();
        let mut log = BufReader::new(server.0.stderr.take().unwrap());
        loop {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).unwrap(),
                0,
                "keyward serve did not start: {said}"
            );
            said.push_str(&line);
            let entry: serde_json::Value = serde_json::from_str(&line)
                .unwrap_or_else(|_| panic!("keyward serve did not start: {said}"));
            if let Some(url) = entry["fields"]["url"].as_str() {
                let url = url.to_owned();
                // Read on, so that the server never waits for us.
                std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
                return (server, url);
            }
        }
    }
}

fn finish(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A command that does not read its input closes it: no matter.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ended {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Every file below a directory that has this text in it.
pub fn holding(directory: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let is_in = bytes.windows(text.len()).any(|it| it == text.as_bytes());
            found.extend(is_in.then(|| path.display().to_string()));
        }
    }
    found
}

/// A server that does not outlive its story.
pub struct Server(Child);

impl Server {
    /// As if the power went.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// As an operator stops it; it ends in order.
    pub fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `keyward dev`, and what it said.
pub struct Dev {
    pub server: Server,
    pub greeting: String,
}

impl Dev {
    /// The word after a label of the greeting.
    pub fn said(&self, label: &str) -> String {
        let line = self
            .greeting
            .lines()
            .find(|line| line.trim().starts_with(label))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }

    /// The lines to paste: the first sets the environment, the others are commands.
    pub fn to_paste(&self) -> Vec<String> {
        let begin = self.greeting.find("In another terminal:").unwrap();
        let end = self.greeting.find("Stop it with").unwrap();
        let lines = self.greeting[begin..end].lines().skip(1).map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// A stage with a running `keyward dev`, whose environment is set as it says.
pub fn with_dev() -> (Stage, Dev) {
    let mut stage = Stage::new();
    let dev = stage.dev();
    move_in(&mut stage, &dev);
    (stage, dev)
}

/// Sets the environment as a server says.
pub fn move_in(stage: &mut Stage, dev: &Dev) {
    let export = dev.to_paste()[0].clone();
    for assignment in export.split_whitespace().skip(1) {
        let (name, value) = assignment.split_once('=').unwrap();
        stage.set(name, value);
    }
}

pub fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
