//! How Postern, as an OAuth client, gets along with the authorization servers of upstreams.

pub mod protected_resource;
