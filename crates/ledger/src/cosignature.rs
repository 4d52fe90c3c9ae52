//! A witness's signature (C2SP `tlog-cosignature`, type 0x04): that at some time this was the largest
//! tree it had seen, consistent with all before. It signs the time and the whole text.

/// The last time that may be written.
const TIME_MAX: u64 = i64::MAX as u64;

/// What a witness signs.
pub(crate) fn message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// The bytes of a cosignature.
pub(crate) fn join(time: u64, signature: &[u8; 64]) -> Vec<u8> {
    let mut bytes = time.to_be_bytes().to_vec();
    bytes.extend_from_slice(signature);
    bytes
}

/// The time and the signature in the bytes of a cosignature.
pub(crate) fn split(bytes: &[u8]) -> Option<(u64, &[u8; 64])> {
    let (time, signature) = bytes.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    let signature = signature.try_into().ok()?;
    (time <= TIME_MAX).then_some((time, signature))
}
