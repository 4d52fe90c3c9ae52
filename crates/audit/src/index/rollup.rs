//! Counts that are made when a block is written: of each hour, tenant and value of a field. So the usual
//! questions need not look at any entry's row.

use std::collections::HashMap;
use std::io::{self, ErrorKind};

use crate::index::bytes::{Bytes, put_varint, unzigzag, zigzag};
use crate::index::field::Field;
use crate::index::open::Open;

/// A field with more counts than this in one block is counted from the rows instead.
const COUNTS_MAX: usize = 4096;
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// The hour of a time, from 1970 on.
pub(super) const fn hour(micros: i64) -> i64 {
    micros.div_euclid(MICROS_PER_HOUR)
}

/// When an hour begins.
pub(super) const fn begin(hour: i64) -> i64 {
    hour.saturating_mul(MICROS_PER_HOUR)
}

/// The counts of a field as bytes; none if there are too many.
pub(super) fn encode(block: &Open, field: Field) -> Vec<u8> {
    let mut tenants: Vec<&[u8]> = vec![b""; block.times.len()];
    for (tenant, rows) in block.terms(Field::Tenant).into_iter().flatten() {
        for row in rows {
            if let Some(of_row) = tenants.get_mut(usize::from(*row)) {
                *of_row = tenant;
            }
        }
    }
    let mut counts: HashMap<(i64, &[u8], &[u8]), u64> = HashMap::new();
    for (value, rows) in block.terms(field).into_iter().flatten() {
        for row in rows {
            let row = usize::from(*row);
            if let (Some(time), Some(tenant)) = (block.times.get(row), tenants.get(row)) {
                *counts.entry((hour(*time), tenant, value)).or_default() += 1;
            }
        }
        if counts.len() > COUNTS_MAX {
            return Vec::new();
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_unstable();
    let mut out = vec![1];
    let mut before = 0;
    for ((hour, tenant, value), count) in counts {
        put_varint(&mut out, zigzag(hour - before));
        before = hour;
        for term in [tenant, value] {
            put_varint(&mut out, term.len() as u64);
            out.extend_from_slice(term);
        }
        put_varint(&mut out, count);
    }
    out
}

/// Visits the counts: hour, tenant, value, how many. Whether there are any: a block without is to be
/// counted from its rows.
pub(super) fn each(
    bytes: &[u8],
    mut visit: impl FnMut(i64, &[u8], &[u8], u64),
) -> io::Result<bool> {
    let mut rest = Bytes(bytes);
    if rest.is_empty() {
        return Ok(false);
    }
    rest.u8()?;
    let mut hour = 0_i64;
    while !rest.is_empty() {
        hour = hour.wrapping_add(unzigzag(rest.varint()?));
        let tenant = term(&mut rest)?;
        let value = term(&mut rest)?;
        visit(hour, tenant, value, rest.varint()?);
    }
    Ok(true)
}

fn term<'a>(rest: &mut Bytes<'a>) -> io::Result<&'a [u8]> {
    let length = usize::try_from(rest.varint()?).map_err(|_| ErrorKind::InvalidData)?;
    rest.take(length)
}
