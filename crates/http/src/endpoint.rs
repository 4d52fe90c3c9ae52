//! Every endpoint: one file per noun, each a list of path, document and handler.

mod alert;
mod algorithm;
mod audit;
mod audit_detail;
mod audit_keeping;
mod audit_log;
mod audit_search;
mod backup;
mod batch;
mod binding;
mod class;
mod drill;
mod export;
mod import;
mod import_key;
mod kek;
mod key;
mod lifecycle;
mod listing;
mod policy;
mod principal;
mod privacy;
mod public_key;
mod registry_migration;
mod retention;
mod role;
mod root_key;
mod rotation;
mod seal;
mod secret;
mod secret_value;
mod status;
mod storage;
mod storage_migration;
mod system;
mod tenant;
mod text_seal;
mod token;
mod use_key;
mod verb;
mod version;
mod witness;

use utoipa_axum::router::UtoipaMethodRouter;

use crate::app::App;

/// A route with its document.
pub type Route = UtoipaMethodRouter<App>;

/// Every route.
pub fn all(metrics_open: bool) -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(tenant::routes());
    routes.extend(kek::routes());
    routes.extend(text_seal::routes());
    routes.extend(audit_detail::routes());
    routes.extend(audit_keeping::routes());
    routes.extend(principal::routes());
    routes.extend(privacy::routes());
    routes.extend(token::routes());
    routes.extend(role::routes());
    routes.extend(key::routes());
    routes.extend(version::routes());
    routes.extend(import_key::routes());
    routes.extend(import::routes());
    routes.extend(export::routes());
    routes.extend(public_key::routes());
    routes.extend(lifecycle::routes());
    routes.extend(use_key::routes());
    routes.extend(class::routes());
    routes.extend(binding::routes());
    routes.extend(policy::routes());
    routes.extend(rotation::routes());
    routes.extend(secret::routes());
    routes.extend(secret_value::routes());
    routes.extend(backup::routes());
    routes.extend(drill::routes());
    routes.extend(retention::routes());
    routes.extend(algorithm::routes());
    routes.extend(alert::routes());
    routes.extend(audit::routes());
    routes.extend(audit_log::routes());
    routes.extend(audit_search::routes());
    routes.extend(witness::routes());
    routes.extend(storage::routes());
    routes.extend(storage_migration::routes());
    routes.extend(registry_migration::routes());
    routes.extend(system::routes());
    routes.extend(seal::routes());
    routes.extend(root_key::routes());
    routes.extend(status::routes(metrics_open));
    routes
}
