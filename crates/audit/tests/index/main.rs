//! The index by which the log is searched: it answers as whoever reads the whole journal would, whatever
//! there is of it, whatever became of its files, and while the journal grows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod damage;
mod growing;
mod letting_go;
mod naive;
mod stage;
