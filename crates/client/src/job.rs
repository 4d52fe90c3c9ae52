//! Background jobs.

use keyward_api::job::Job;

use crate::pages::Pages;
use crate::scope::Scope;

impl<'a> Scope<'a> {
    /// Lists jobs, newest first.
    pub fn jobs(self) -> Pages<'a, Job> {
        Pages::new(self.client, &self.path(&["jobs"]))
    }
}
