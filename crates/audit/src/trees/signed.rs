//! What was signed last of a node's log, kept before the signature is made and outside the log's own
//! directory: so that no two checkpoints under one name ever contradict each other, whatever became of
//! the journal or of the log's files in between.

use std::io;

use keyward_ledger::{Algorithm, Hash, Head, KeyName, VerifierKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::trees::{Forest, LogFiles, Tree, TreesError};

/// The file, beside the journal's segments.
pub const FILE: &str = "log-signed";
/// The format that is written.
const FORMAT: u32 = 2;
/// The first one, which did not say by which key: there was only one.
const WITHOUT_KEY: u32 = 1;

/// What the file says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    /// The log's name: another one for every log that was ever begun.
    origin: String,
    /// The size of the system's tree.
    size: u64,
    /// Its root, in base64.
    root: String,
    /// The last entry of the journal that all trees had.
    through: u64,
    /// The public key that signs it, under the log's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// What is signed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToSign {
    /// The system's tree.
    pub head: Head,
    /// The last entry of the journal that all trees have.
    pub through: u64,
    /// The public half of the key that signs it.
    pub key: [u8; 32],
}

/// The last signed checkpoint, as far as it must never be taken back.
pub struct LastSigned<F> {
    files: F,
    kept: Option<(Kept, Head)>,
}

impl<F: LogFiles> LastSigned<F> {
    /// Reads it, from the directory of the journal. A file that cannot be understood is an error:
    /// nothing else says which log this was.
    pub fn open(files: F) -> Result<Self, TreesError> {
        let kept = match files.read(FILE).map_err(of_file)? {
            None => None,
            Some(bytes) => Some(understood(&bytes).ok_or(TreesError::SignedUnreadable)?),
        };
        Ok(Self { files, kept })
    }

    /// The log's name, once anything of it was to be signed.
    pub fn origin(&self) -> Option<&str> {
        self.kept.as_ref().map(|(kept, _)| kept.origin.as_str())
    }

    /// What was signed of the system's tree.
    pub fn head(&self) -> Option<Head> {
        self.kept.as_ref().map(|(_, head)| *head)
    }

    /// The last entry of the journal that it covers.
    pub fn through(&self) -> Option<u64> {
        self.kept.as_ref().map(|(kept, _)| kept.through)
    }

    /// The key that signed it; none if nothing was signed, or if this was not written down yet.
    pub fn key(&self) -> Option<VerifierKey> {
        let (kept, _) = self.kept.as_ref()?;
        kept.key.as_deref()?.parse().ok()
    }

    /// Refuses a journal that ends before what was signed.
    pub fn ensure_held_by(&self, last: u64) -> Result<(), TreesError> {
        match &self.kept {
            Some((kept, _)) if last < kept.through => Err(TreesError::SignedShrunk {
                known: kept.through,
                found: last,
            }),
            _ => Ok(()),
        }
    }

    /// Refuses trees that do not go on from what was signed. They must have all that the journal had
    /// when they were opened.
    pub fn ensure_continued_by<G: LogFiles>(&self, forest: &Forest<G>) -> Result<(), TreesError> {
        let Some((_, signed)) = &self.kept else {
            return Ok(());
        };
        let size = signed.size;
        let found = forest.head(Tree::System).size;
        if found < size {
            return Err(TreesError::SignedOther { size });
        }
        if forest.root_at(Tree::System, size)? != signed.root {
            return Err(TreesError::SignedOther { size });
        }
        Ok(())
    }

    /// Takes over what a lost node signed last, in a place where nothing is known of any log.
    pub fn take_over(
        files: F,
        origin: &KeyName,
        ToSign { head, through, key }: ToSign,
    ) -> Result<(), TreesError> {
        let mut last = Self::open(files)?;
        if let Some(before) = last.head() {
            return Err(TreesError::SignedOther { size: before.size });
        }
        last.write(origin.clone(), ToSign { head, through, key })
    }

    /// Writes down, durably, by which key what was signed last was signed, if this was not written down yet.
    pub fn name_key(&mut self, key: [u8; 32]) -> Result<(), TreesError> {
        match &self.kept {
            Some((kept, head)) if kept.key.is_none() => {
                let (head, through) = (*head, kept.through);
                self.keep(ToSign { head, through, key }, (Uuid::nil(), Uuid::nil()))
            }
            _ => Ok(()),
        }
    }

    /// Notes, durably, what is signed next: from now on the log never goes behind it. `deployment` and
    /// `fresh` name a log of which nothing was signed yet; `fresh` is random.
    pub fn keep(
        &mut self,
        ToSign { head, through, key }: ToSign,
        (deployment, fresh): (Uuid, Uuid),
    ) -> Result<(), TreesError> {
        if let Some((kept, before)) = &self.kept {
            if *before == head && kept.through == through && is_key(kept, key) {
                return Ok(());
            }
            if head.size < before.size || through < kept.through {
                return Err(TreesError::SignedOther { size: before.size });
            }
        }
        let origin = self.origin().map_or_else(
            || format!("keyward/{deployment}/{fresh}"),
            ToOwned::to_owned,
        );
        let name = KeyName::new(&origin).ok_or(TreesError::SignedUnreadable)?;
        self.write(name, ToSign { head, through, key })
    }

    fn write(
        &mut self,
        name: KeyName,
        ToSign { head, through, key }: ToSign,
    ) -> Result<(), TreesError> {
        let kept = Kept {
            format: FORMAT,
            origin: name.as_str().to_owned(),
            size: head.size,
            root: head.root.to_string(),
            through,
            key: Some(VerifierKey::new(name, Algorithm::Ed25519, key).to_string()),
        };
        let mut bytes = serde_json::to_vec(&kept).map_err(|error| of_file(error.into()))?;
        bytes.push(b'\n');
        self.files.write(FILE, &bytes).map_err(of_file)?;
        self.kept = Some((kept, head));
        Ok(())
    }
}

fn understood(bytes: &[u8]) -> Option<(Kept, Head)> {
    let kept: Kept = serde_json::from_slice(bytes).ok()?;
    let root: Hash = kept.root.parse().ok()?;
    let head = Head {
        size: kept.size,
        root,
    };
    let sound = match (kept.format, kept.key.as_deref()) {
        (FORMAT, Some(key)) => key
            .parse()
            .is_ok_and(|key: VerifierKey| key.name().as_str() == kept.origin),
        (WITHOUT_KEY, None) => true,
        _ => false,
    };
    sound.then_some((kept, head))
}

fn is_key(kept: &Kept, public: [u8; 32]) -> bool {
    let key = kept.key.as_deref().map(str::parse::<VerifierKey>);
    key.is_some_and(|key| key.is_ok_and(|key| key.public() == public))
}

fn of_file(source: io::Error) -> TreesError {
    TreesError::Io {
        path: FILE.to_owned(),
        source,
    }
}
