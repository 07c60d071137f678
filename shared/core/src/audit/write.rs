//! The event of a write over a management API: who, which route, what it was about, and how it was answered. The router
//! records it for every route that is not GET; neither the request's body nor the answer is kept.

use http::StatusCode;
use kernel::Result;
use web::context::{Record, Write};

use super::{Pending, begin, event};
use crate::Platform;
use crate::model::audit::{Actor, Kind};

/// A write that has begun.
pub struct Written(Pending);

/// Begins the event of `write` by `actor`.
pub fn begin_write(platform: &Platform, actor: Actor, write: &Write<'_>) -> Result<Written> {
    let name = format!("{} {}", write.method, write.route);
    let event = event(platform, Kind::Write, &write.id.0, actor, &name)?.about(write.target.as_deref());
    Ok(Written(begin(platform, event)))
}

impl Record for Written {
    fn end(self: Box<Self>, status: StatusCode, created: Option<String>) {
        self.0.change(|event| {
            event.status = Some(status.as_u16());
            event.authorized = ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
            if let Some(id) = &created {
                event.set_target(id);
            }
        });
        let success = !(status.is_client_error() || status.is_server_error());
        self.0.end(success, (!success).then(|| format!("answered with status {}", status.as_u16())));
    }
}
