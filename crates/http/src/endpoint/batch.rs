//! Batches: so many items, an outcome for each.

use axum::http::StatusCode;
use keyward_api::error::ErrorCode;
use keyward_api::page::{BATCH_MAX, Batch, Outcome, Outcomes};
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::call::Call;
use crate::problem::Failure;

/// About what a problem takes in an answer.
const PROBLEM_BYTES: usize = 512;

/// The items of a batch, if they are not too many or none.
pub fn items<T>(batch: Batch<T>) -> Result<Vec<T>, Failure> {
    if batch.items.is_empty() || batch.items.len() > BATCH_MAX {
        return Err(Failure::invalid("items: must be 1 to 1000"));
    }
    Ok(batch.items)
}

/// The outcome of each item. A batch of which no item was well formed was not well formed itself.
pub fn answer<T: Serialize>(call: &Call, outcomes: Vec<Result<T, Failure>>, size: usize) -> Answer {
    let malformed = |outcome: &Result<T, Failure>| matches!(outcome, Err(failure) if failure.code() == ErrorCode::InvalidRequest);
    if outcomes.iter().all(malformed) {
        return match outcomes.into_iter().next() {
            Some(Err(failure)) => Err(failure),
            _ => Err(Failure::internal("a batch without outcomes")),
        };
    }
    let mut size = size;
    let items = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Ok(shown) => Outcome::Ok(shown),
            Err(failure) => {
                size += PROBLEM_BYTES;
                Outcome::Error(failure.problem(call.correlation_id()))
            }
        })
        .collect();
    answer::secret(StatusCode::OK, &Outcomes { items }, size)
}
