//! Alerts: what is, or was, not as it should be.

use keyward_api::alert::{Alert, AlertQuery};

use crate::connection::Client;
use crate::pages::Pages;
use crate::scope::Scope;

impl Client {
    /// Lists the deployment's own alerts, newest first.
    pub fn alerts(&self, query: AlertQuery) -> Pages<'_, Alert> {
        narrowed(Pages::new(self, &["v1", "alerts"]), query)
    }
}

impl<'a> Scope<'a> {
    /// Lists a tenant's alerts, newest first.
    pub fn alerts(self, query: AlertQuery) -> Pages<'a, Alert> {
        narrowed(Pages::new(self.client, &self.path(&["alerts"])), query)
    }
}

fn narrowed(pages: Pages<'_, Alert>, query: AlertQuery) -> Pages<'_, Alert> {
    pages
        .query("state", query.state)
        .query("kind", query.kind)
        .query("severity", query.severity)
        .query("limit", query.limit)
        .from_cursor(query.cursor)
}
