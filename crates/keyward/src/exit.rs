//! How a command ends: a code that scripts can use, and for people what happened, to what, and
//! what to do next.

use std::fmt::{Display, Write};
use std::process::ExitCode;

use keyward_client::ClientError;

/// Exit codes. They are part of the interface: see docs/configuration.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It failed, for a reason that no other code names.
    Failure = 1,
    /// The command line or the input is wrong.
    Usage = 2,
    /// There is no such thing, or it is not yours to see.
    NotFound = 3,
    /// Refused: no valid token, or one that may not.
    Refused = 4,
    /// The present state does not allow it, or somebody else changed it first.
    Conflict = 5,
    /// The server cannot be reached, is sealed, or cannot serve now.
    Unavailable = 6,
    /// The signature or code is not valid.
    NotValid = 7,
}

/// Why a command did not succeed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    what: String,
    next: Option<String>,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, what: impl Display) -> Self {
        Self {
            exit,
            what: what.to_string(),
            next: None,
        }
    }

    /// A wrong command line or input.
    pub fn usage(what: impl Display) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// A failure on this side.
    pub fn local(what: impl Display) -> Self {
        Self::new(Exit::Failure, what)
    }

    /// Whether the process would end with this code.
    pub fn is(&self, exit: Exit) -> bool {
        self.exit == exit
    }

    /// Says what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Says what it was about.
    #[must_use]
    pub fn about(mut self, subject: impl Display) -> Self {
        self.what = format!("{subject}: {}", self.what);
        self
    }

    /// Tells the person at the terminal.
    pub fn report(&self) -> ExitCode {
        // What others wrote may be in it: nothing of it moves the cursor.
        let printable = |text: &str| {
            let lines: Vec<String> = text.split('\n').map(crate::output::printable).collect();
            lines.join("\n")
        };
        let mut text = format!("error: {}\n", printable(&self.what));
        if let Some(next) = &self.next {
            let _ = writeln!(text, "  next: {}", printable(next));
        }
        crate::output::say(&text);
        ExitCode::from(self.exit as u8)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let next = error.next_step();
        let failure = Self::new(exit_of(&error), &error);
        match next {
            Some(next) => failure.next(next),
            None => failure,
        }
    }
}

fn exit_of(error: &ClientError) -> Exit {
    let Some(problem) = error.problem() else {
        return match error {
            ClientError::Unreachable { .. } => Exit::Unavailable,
            ClientError::Setup { .. } => Exit::Usage,
            _ => Exit::Failure,
        };
    };
    match problem.status {
        400 | 405 | 413 | 415 | 422 => Exit::Usage,
        401 | 403 => Exit::Refused,
        404 => Exit::NotFound,
        409 | 412 => Exit::Conflict,
        408 | 429 | 503 => Exit::Unavailable,
        _ => Exit::Failure,
    }
}
