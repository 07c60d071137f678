//! One request's view of its runtime: the ports, and the settings of the deployment.

use std::ops::Deref;
use std::rc::Rc;

use kernel::memory::Topic;
use kernel::ports::Ports;
use web::context::{Context, Origins};

use crate::settings::Settings;

/// The ports and the settings. Cheap to clone. It dereferences to its [`Ports`], so that a function which needs only
/// ports can be given the platform.
#[derive(Clone)]
pub struct Platform {
    /// What the runtime provides.
    pub ports: Ports,
    /// Typed configuration and keys.
    pub settings: Rc<Settings>,
}

impl Platform {
    /// Forgets what the instance remembers of credentials and of the calls that they are presented in.
    pub fn forget_credentials(&self) {
        self.memory.forget(Topic::Credentials);
    }

    /// Forgets what the instance remembers of integrations, their catalogues and their credentials. Called after each
    /// write to them.
    pub fn forget_integrations(&self) {
        self.forget_credentials();
        self.memory.forget(Topic::Integrations);
    }
}

impl Deref for Platform {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}

impl Context for Platform {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn origins(&self) -> Origins<'_> {
        Origins { own: self.settings.public_url.as_deref(), allowed: &self.settings.allowed_origins }
    }
}
