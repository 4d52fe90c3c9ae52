//! Requests to core operations to JSON: authentication, endpoints, OpenAPI, limits.
