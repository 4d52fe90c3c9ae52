//! The calendar of rotation against calculations that share nothing with it: Python's zoneinfo over a year, and a walk
//! from minute to minute over some days.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod examples;
mod minutes;
mod year;
