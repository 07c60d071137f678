//! What the router needs from the product.

use kernel::Result;
use kernel::ports::Ports;
use web::RateLimits;
use web::context::{Context, Origins, Record, Write};

use crate::model::audit::Actor;
use crate::{Platform, audit};

impl Context for Platform {
    type Actor = Actor;

    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn origins(&self) -> Origins<'_> {
        Origins { own: self.settings.public_url.as_deref(), allowed: &self.settings.allowed_origins }
    }

    fn rate_limits(&self) -> RateLimits {
        RateLimits {
            caller: self.settings.requests_per_minute,
            address: self.settings.anonymous_requests_per_minute,
        }
    }

    fn address_header(&self) -> Option<&str> {
        self.settings.client_address_header.as_deref()
    }

    fn begin_write(&self, actor: Actor, write: Write<'_>) -> Result<Box<dyn Record>> {
        Ok(Box::new(audit::begin_write(self, actor, &write)?))
    }
}
