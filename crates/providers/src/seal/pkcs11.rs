//! A seal held by a hardware security module: an AES key that never leaves the token wraps the
//! seal's key with AES-GCM, the nonce before it. Through PKCS#11 2.40
//! (<https://docs.oasis-open.org/pkcs11/pkcs11-base/v2.40/pkcs11-base-v2.40.html>).
//!
//! The library is loaded once and stays. A PIN that the token refused is not tried again: a token
//! locks itself after a few.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use keyward_core::port::seal::{SealKind, SealService, SealServiceError, WrappedKey};
use keyward_crypto::{Random, SecretBytes};
use parking_lot::Mutex;
use zeroize::Zeroize;

use super::{PATIENCE_SECONDS, Source};

const NONCE_LENGTH: usize = 12;
const TAG_BITS: u64 = 128;

/// Longest label of a key, in bytes.
const LABEL_BYTES_MAX: usize = 256;

/// How to reach a key in a token.
#[derive(Clone)]
pub struct Pkcs11Settings {
    /// The module's library.
    pub module: PathBuf,
    /// The token's label.
    pub token: String,
    /// The label of the AES key that wraps.
    pub key: String,
    /// The user's PIN.
    pub pin: Source,
}

/// A token as the holder of a seal.
pub struct Pkcs11Seal {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Pkcs11Settings,
    random: Arc<dyn Random>,
    /// The PIN that the token refused.
    refused: Mutex<Option<SecretBytes>>,
}

/// Libraries by path. One that is loaded is initialised for the whole process.
static MODULES: LazyLock<Mutex<HashMap<PathBuf, Pkcs11>>> = LazyLock::new(Mutex::default);
/// Login is a matter of the whole process too: one at a time.
static TURN: Mutex<()> = Mutex::new(());

impl Pkcs11Seal {
    /// Nothing is loaded yet.
    pub fn new(settings: Pkcs11Settings, random: Arc<dyn Random>) -> Self {
        Self {
            inner: Arc::new(Inner {
                settings,
                random,
                refused: Mutex::new(None),
            }),
        }
    }

    /// Runs work with the token on a thread of its own, and does not wait for ever.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, SealServiceError> + Send + 'static,
    ) -> Result<T, SealServiceError> {
        let inner = Arc::clone(&self.inner);
        let patience = Duration::from_secs(PATIENCE_SECONDS);
        let working = tokio::task::spawn_blocking(move || {
            // A module that hangs keeps one thread, and not one more with every try.
            let turn = TURN.try_lock_for(patience);
            let _turn = turn.ok_or_else(|| unavailable("the module does not answer"))?;
            work(&inner)
        });
        match tokio::time::timeout(patience, working).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(unavailable("the module's thread ended")),
            Err(_) => Err(unavailable("the module does not answer in time")),
        }
    }
}

#[async_trait]
impl SealService for Pkcs11Seal {
    fn kind(&self) -> SealKind {
        SealKind::Pkcs11
    }

    async fn wrap(
        &self,
        sealing_key: &SecretBytes,
        bound_to: &[u8],
    ) -> Result<WrappedKey, SealServiceError> {
        let (sealing_key, bound_to) = (sealing_key.duplicate(), bound_to.to_vec());
        self.run(move |inner| {
            let key = inner.settings.key.clone();
            let mut nonce = [0; NONCE_LENGTH];
            let drawn = inner.random.fill(&mut nonce);
            drawn.map_err(|_| unavailable("no random bytes could be drawn"))?;
            let mut bytes = nonce.to_vec();
            let wrapped = inner.with_key(&key, |session, handle| {
                let params = GcmParams::new(&mut nonce, &bound_to, TAG_BITS.into())?;
                session.encrypt(&Mechanism::AesGcm(params), handle, sealing_key.expose())
            })?;
            bytes.extend(wrapped);
            Ok(WrappedKey {
                key,
                key_version: None,
                bytes,
            })
        })
        .await
    }

    async fn unwrap(
        &self,
        wrapped: &WrappedKey,
        bound_to: &[u8],
    ) -> Result<SecretBytes, SealServiceError> {
        let (wrapped, bound_to) = (wrapped.clone(), bound_to.to_vec());
        self.run(move |inner| {
            let split = wrapped.bytes.split_at_checked(NONCE_LENGTH);
            let (nonce, sealed) = split.ok_or(SealServiceError::Refused)?;
            let mut nonce = nonce.to_vec();
            inner.with_key(&wrapped.key, |session, handle| {
                let params = GcmParams::new(&mut nonce, &bound_to, TAG_BITS.into())?;
                let mut opened = session.decrypt(&Mechanism::AesGcm(params), handle, sealed)?;
                let key = SecretBytes::copy_from(&opened);
                opened.zeroize();
                Ok(key)
            })
        })
        .await
    }
}

impl Inner {
    /// Opens a session, logs in, finds the key and works with it.
    fn with_key<T>(
        &self,
        key: &str,
        work: impl FnOnce(&Session, ObjectHandle) -> Result<T, Error>,
    ) -> Result<T, SealServiceError> {
        // A stored seal names its key: what no key is called goes neither to the module nor to a log.
        if key.len() > LABEL_BYTES_MAX || key.chars().any(char::is_control) {
            return Err(SealServiceError::Refused);
        }
        let module = self.module()?;
        let session = self.session(&module)?;
        self.log_in(&session)?;
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(key.as_bytes().to_vec()),
        ];
        let found = session.find_objects(&template);
        let handle = match found.map_err(|error| of_token(&error))?[..] {
            [handle] => handle,
            [] => {
                return Err(SealServiceError::NoKey {
                    key: key.to_owned(),
                });
            }
            _ => return Err(misconfigured("several AES keys have this label")),
        };
        work(&session, handle).map_err(|error| of_token(&error))
    }

    fn module(&self) -> Result<Pkcs11, SealServiceError> {
        let mut modules = MODULES.lock();
        let path = &self.settings.module;
        if let Some(module) = modules.get(path) {
            return Ok(module.clone());
        }
        let module = Pkcs11::new(path)
            .map_err(|_| misconfigured("the module's library cannot be loaded"))?;
        let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match module.initialize(flags) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(of_token(&error)),
        }
        modules.insert(path.clone(), module.clone());
        Ok(module)
    }

    fn session(&self, module: &Pkcs11) -> Result<Session, SealServiceError> {
        let slots = module.get_slots_with_token();
        for slot in slots.map_err(|error| of_token(&error))? {
            // A slot whose token went away meanwhile is not ours.
            let Ok(info) = module.get_token_info(slot) else {
                continue;
            };
            if info.label().trim_end() == self.settings.token {
                let session = module.open_ro_session(slot);
                return session.map_err(|error| of_token(&error));
            }
        }
        Err(unavailable("no token with this label is there"))
    }

    fn log_in(&self, session: &Session) -> Result<(), SealServiceError> {
        let pin = (self.settings.pin)().map_err(misconfigured)?;
        let pin = pin.trim();
        let mut refused = self.refused.lock();
        if refused.as_ref().is_some_and(|it| it.ct_eq(pin.as_bytes())) {
            return Err(SealServiceError::Denied {
                cause: "the token refused this PIN, and it is not tried again, lest the token \
                        locks itself"
                    .to_owned(),
            });
        }
        let given: AuthPin = pin.to_owned().into();
        match session.login(UserType::User, Some(&given)) {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(Error::Pkcs11(RvError::PinIncorrect, _)) => {
                *refused = Some(SecretBytes::copy_from(pin.as_bytes()));
                Err(SealServiceError::Denied {
                    cause: "the token refuses the PIN".to_owned(),
                })
            }
            Err(error) => Err(of_token(&error)),
        }
    }
}

/// What a token's answer means.
fn of_token(error: &Error) -> SealServiceError {
    let Error::Pkcs11(code, function) = error else {
        return misconfigured("the module does not do what PKCS#11 says");
    };
    match code {
        // Wrong associated data is a general error to some tokens.
        RvError::EncryptedDataInvalid | RvError::EncryptedDataLenRange | RvError::GeneralError => {
            SealServiceError::Refused
        }
        RvError::PinLocked | RvError::PinExpired | RvError::PinIncorrect | RvError::PinLenRange => {
            SealServiceError::Denied {
                cause: format!("{code:?}"),
            }
        }
        RvError::MechanismInvalid
        | RvError::KeyFunctionNotPermitted
        | RvError::KeyTypeInconsistent => SealServiceError::Misconfigured {
            cause: format!("the key cannot be used with AES-GCM ({code:?})"),
        },
        _ => SealServiceError::Unavailable {
            cause: format!("{code:?} in {function:?}"),
        },
    }
}

fn unavailable(cause: &str) -> SealServiceError {
    SealServiceError::Unavailable {
        cause: cause.to_owned(),
    }
}

fn misconfigured(cause: impl Into<String>) -> SealServiceError {
    SealServiceError::Misconfigured {
        cause: cause.into(),
    }
}
