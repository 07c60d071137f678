//! The context of a request: the runtime's ports and the deployment's settings.

use std::ops::Deref;
use std::rc::Rc;

use futures_util::FutureExt as _;
use kernel::Result;
use kernel::memory::Topic;
use kernel::ports::Ports;

use crate::settings::Settings;

/// The ports and the settings. Cheap to clone. A platform dereferences to its [`Ports`], so that it can be passed to
/// functions that need only ports.
#[derive(Clone)]
pub struct Platform {
    /// The runtime's ports.
    pub ports: Ports,
    /// The deployment's settings, including its keys.
    pub settings: Rc<Settings>,
}

impl Platform {
    /// Clears the instance's memory of credentials, and of integrations joined with their credentials.
    pub fn forget_credentials(&self) {
        self.memory.forget(Topic::Credentials);
    }

    /// Clears the instance's memory of integrations, their catalogues and their credentials. Called after each write to
    /// one of these.
    pub fn forget_integrations(&self) {
        self.forget_credentials();
        self.memory.forget(Topic::Integrations);
    }

    /// Does `work` after the response was sent; a failure is logged as one of `what`.
    pub fn later(&self, what: String, work: impl AsyncFnOnce(&Self) -> Result<()> + 'static) {
        let own = self.clone();
        let logged = async move {
            if let Err(error) = work(&own).await {
                log::error!("{what}: {}", error.report());
            }
        };
        self.background.spawn(logged.boxed_local());
    }

    /// Clears the instance's memory of API keys.
    pub fn forget_keys(&self) {
        self.memory.forget(Topic::Keys);
    }
}

impl Deref for Platform {
    type Target = Ports;

    fn deref(&self) -> &Ports {
        &self.ports
    }
}
