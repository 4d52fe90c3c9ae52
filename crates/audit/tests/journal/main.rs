//! The journal's promises, each as a story: nothing acknowledged is lost, nothing is out of order,
//! nobody waits for another's flood, and what is damaged is named.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod combining;
mod damage;
mod disk;
mod fairness;
mod faults;
mod fixture;
mod format;
mod kill;
mod order;
mod power;
mod reading;
mod sealing;
mod sealing_crashes;
mod start;
mod watching;
