//! PEM around DER (RFC 7468). Which DER is inside is not this file's business.

use ::pkcs8::der::pem;

use super::error::{ExchangeError, malformed};
use crate::secret::SecretBytes;

/// The DER of a private key that is given as DER or as PEM: `PRIVATE KEY` as it is, an encrypted
/// or an older container refused with what to do.
///
/// # Errors
/// [`ExchangeError::Malformed`].
pub fn private_der(bytes: &[u8]) -> Result<SecretBytes, ExchangeError> {
    if !is_pem(bytes) {
        return Ok(SecretBytes::copy_from(bytes));
    }
    let (label, der) = decode(bytes)?;
    match label {
        "PRIVATE KEY" => Ok(der),
        "ENCRYPTED PRIVATE KEY" => Err(malformed(
            "it is encrypted with a passphrase; decrypt it first: openssl pkcs8 -in FILE -out FILE",
        )),
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Err(malformed(
            "it is an older container; turn it into PKCS#8 first: openssl pkcs8 -topk8 -nocrypt -in FILE -out FILE",
        )),
        _ => Err(malformed("the PEM holds something else than a private key")),
    }
}

/// The DER of a public key that is given as DER or as PEM.
pub(super) fn public_der(bytes: &[u8]) -> Result<Vec<u8>, ExchangeError> {
    if !is_pem(bytes) {
        return Ok(bytes.to_vec());
    }
    let (label, der) = decode(bytes)?;
    if label != "PUBLIC KEY" {
        return Err(malformed("the PEM holds something else than a PUBLIC KEY"));
    }
    Ok(der.expose().to_vec())
}

/// `PUBLIC KEY` with lines of 64 characters.
pub(super) fn public_pem(der: &[u8]) -> Result<String, ExchangeError> {
    pem::encode_string("PUBLIC KEY", pem::LineEnding::LF, der)
        .map_err(|_| malformed("it does not fit into PEM"))
}

/// `PRIVATE KEY` with lines of 64 characters.
///
/// # Errors
/// [`ExchangeError::Malformed`] for what does not fit into PEM.
pub fn private_pem(der: &SecretBytes) -> Result<SecretBytes, ExchangeError> {
    const NOT_WRITTEN: ExchangeError = malformed("it does not fit into PEM");
    let length = pem::encapsulated_len("PRIVATE KEY", pem::LineEnding::LF, der.len())
        .map_err(|_| NOT_WRITTEN)?;
    let mut text = SecretBytes::zeroed(length);
    pem::encode(
        "PRIVATE KEY",
        pem::LineEnding::LF,
        der.expose(),
        text.expose_mut(),
    )
    .map_err(|_| NOT_WRITTEN)?;
    Ok(text)
}

fn is_pem(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN ")
}

fn decode(bytes: &[u8]) -> Result<(&str, SecretBytes), ExchangeError> {
    let not_pem = |_| malformed("the PEM is damaged");
    let text = bytes.trim_ascii();
    // Decoded into a buffer of the final size, so that no copy of a secret is left behind.
    let mut der = SecretBytes::zeroed(text.len());
    let mut decoder = pem::Decoder::new(text).map_err(not_pem)?;
    let label = decoder.type_label();
    let length = decoder.remaining_len();
    let out = der
        .expose_mut()
        .get_mut(..length)
        .ok_or(malformed("the PEM is damaged"))?;
    decoder.decode(out).map_err(not_pem)?;
    der.shorten(length);
    Ok((label, der))
}
