//! Rate limits: how many requests a caller, or a client address without a valid credential, may make in a minute.
//!
//! (1) Each instance counts every request by itself, exactly, in windows that begin with the minutes of the clock. (2)
//! Whenever it has counted a step (a small part of the limit), it reports the step to the counter that all instances
//! share ([`kernel::ports::RateLimit`]), after the response: no request waits for the report. (3) Once the instance's
//! own count or the shared counter exceeds the limit, the instance refuses the source's requests with 429 until the
//! window ends, which costs no further report.
//!
//! So a source is held to its limit exactly within one instance, and across instances up to one unreported step of
//! each. A counter that fails, or an instance that has too many sources to remember, admits.
//!
//! Callers are counted after they were authenticated, addresses only where nobody was: what others do at an address
//! never shuts out the holder of a valid key.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use futures_util::FutureExt as _;
use kernel::ports::{Ports, Timestamp};

use crate::failure::Failure;

/// The limits of a deployment; 0 switches a limit off.
#[derive(Clone, Copy, Default)]
pub struct RateLimits {
    /// Requests a minute of one authenticated caller.
    pub caller: u32,
    /// Requests a minute of one client address that present no valid credential or need none.
    pub address: u32,
}

/// The length of a window.
const WINDOW: Duration = Duration::from_mins(1);

/// Most sources that an instance counts in one window. When there are more, it begins anew.
const SOURCES: usize = 4096;

/// What one instance has counted in the present window.
#[derive(Default)]
struct Counts(RefCell<Window>);

#[derive(Default)]
struct Window {
    start: i64,
    sources: HashMap<String, Count>,
}

#[derive(Clone, Copy, Default)]
struct Count {
    requests: u32,
    /// The shared counter said that the source is over its limit.
    over: bool,
}

/// Counts a request of `caller`.
pub(crate) fn admit_caller(ports: &Ports, limits: RateLimits, caller: &str) -> Result<(), Failure> {
    admit(ports, limits.caller, || format!("caller {caller}"))
}

/// Counts a request without a valid credential. A request whose client's address is not known is admitted.
pub(crate) fn admit_address(
    ports: &Ports,
    limits: RateLimits,
    address: Option<IpAddr>,
) -> Result<(), Failure> {
    match address {
        Some(address) => admit(ports, limits.address, || format!("address {}", network(address))),
        None => Ok(()),
    }
}

/// Returns the address itself or, of IPv6, its /64 network, which is what one client has at its disposal.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn admit(ports: &Ports, limit: u32, source: impl FnOnce() -> String) -> Result<(), Failure> {
    if limit == 0 {
        return Ok(());
    }
    let (now, length) = (ports.now().millis(), i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX));
    let start = now - now.rem_euclid(length);
    let source = source();
    // (1)
    let counts = ports.memory.one::<Counts>();
    let count = counts.0.borrow_mut().add(start, &source);
    if count.over || count.requests > limit {
        return Err(Failure::TooMany { retry_after: (start + length - now + 999).div_euclid(1000) });
    }
    // (2)
    if count.requests.is_multiple_of(ports.rate_limit.step(limit).max(1)) {
        report(ports, source, limit, start);
    }
    Ok(())
}

/// Reports one step after the response, and remembers what the shared counter says.
fn report(ports: &Ports, source: String, limit: u32, start: i64) {
    let counter = ports.rate_limit.clone();
    let counts = ports.memory.one::<Counts>();
    let work = async move {
        match counter.report(&source, limit, Timestamp::from_millis(start)).await {
            Ok(true) => {}
            // (3)
            Ok(false) => counts.0.borrow_mut().shut(start, &source),
            Err(error) => log::warn!("counting requests: {}", error.report()),
        }
    };
    ports.background.spawn(work.boxed_local());
}

impl Window {
    /// Counts one request in the window that begins at `start`.
    fn add(&mut self, start: i64, source: &str) -> Count {
        if self.start != start || self.sources.len() >= SOURCES {
            self.sources.clear();
            self.start = start;
        }
        let count = match self.sources.get_mut(source) {
            Some(count) => count,
            None => self.sources.entry(source.to_owned()).or_default(),
        };
        count.requests = count.requests.saturating_add(1);
        *count
    }

    fn shut(&mut self, start: i64, source: &str) {
        if let Some(count) = self.sources.get_mut(source).filter(|_| self.start == start) {
            count.over = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_the_former_one_and_too_many_sources() {
        let mut window = Window::default();
        assert_eq!(window.add(0, "a").requests, 1);
        assert_eq!(window.add(0, "a").requests, 2);
        window.shut(60_000, "a");
        assert!(!window.add(0, "a").over, "the verdict belongs to another window");
        window.shut(0, "a");
        assert!(window.add(0, "a").over);
        assert_eq!(window.add(60_000, "a").requests, 1);
        for source in 0..2 * SOURCES {
            window.add(60_000, &source.to_string());
        }
        assert!(window.sources.len() <= SOURCES);
    }

    #[test]
    fn one_ipv6_network_is_one_client() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
        assert_eq!(of("192.0.2.7"), "192.0.2.7");
    }
}
