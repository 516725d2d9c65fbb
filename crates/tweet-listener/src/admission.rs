//! Who may watch: limits in all and per client address.

use std::{
    borrow::Cow,
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::HttpRequest;
use bytes::Bytes;
use ipnet::IpNet;

use crate::frame::farewell;

/// Counts the viewers.
#[derive(Debug)]
pub struct Admission {
    viewers: Mutex<Viewers>,
    max: usize,
    max_per_address: usize,
    proxies: Vec<IpNet>,
}

#[derive(Debug, Default)]
struct Viewers {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One viewer's place; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

impl Admission {
    /// With room for `max` viewers, `max_per_address` of them from one address, which is taken from X-Forwarded-For only
    /// behind `proxies`.
    pub fn new(max: usize, max_per_address: usize, proxies: Vec<IpNet>) -> Self {
        Self { viewers: Mutex::default(), max, max_per_address, proxies }
    }

    /// A seat for whoever sent `request`; `None` over a limit.
    pub fn admit(self: &Arc<Self>, request: &HttpRequest) -> Option<Seat> {
        // Bytes that are no text stand for themselves: they must not hide what a proxy wrote behind them.
        let forwarded: Vec<Cow<'_, str>> = request
            .headers()
            .get_all("x-forwarded-for")
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let address = request.peer_addr().map(|peer| client_address(peer.ip(), &forwarded.join(","), &self.proxies));
        let mut viewers = self.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        if viewers.total >= self.max {
            return None;
        }
        if let Some(address) = address {
            let from_there = viewers.by_address.entry(address).or_default();
            if *from_there >= self.max_per_address {
                return None;
            }
            *from_there += 1;
        }
        viewers.total += 1;
        metrics::gauge!("tweet_listener_viewers").set(viewers.total as f64);
        Some(Seat { admission: Arc::clone(self), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut viewers = self.admission.viewers.lock().unwrap_or_else(PoisonError::into_inner);
        viewers.total -= 1;
        metrics::gauge!("tweet_listener_viewers").set(viewers.total as f64);
        if let Some(address) = self.address
            && let Some(from_there) = viewers.by_address.get_mut(&address)
        {
            *from_there -= 1;
            if *from_there == 0 {
                viewers.by_address.remove(&address);
            }
        }
    }
}

/// What a viewer over a limit gets: when to come again, in 5 to 15 s.
pub fn refusal() -> Bytes {
    metrics::counter!("tweet_listener_refused_viewers_total").increment(1);
    farewell(fastrand::u64(5000..15_000))
}

/// The peer, or, as long as what stands to the right is a trusted proxy, the entry to the left of it: whatever a client
/// wrote into the header itself stands further left and is never reached.
fn client_address(peer: IpAddr, forwarded_for: &str, proxies: &[IpNet]) -> IpAddr {
    let trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    for entry in forwarded_for.rsplit(',').map(str::trim) {
        if !trusted(&client) {
            break;
        }
        match address_of(entry) {
            Some(address) => client = address.to_canonical(),
            None => break,
        }
    }
    client
}

/// `192.0.2.1`, `2001:db8::1`, and as some proxies write them: in brackets, with a port.
fn address_of(entry: &str) -> Option<IpAddr> {
    let bare = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port).or_else(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded_for: &str) -> String {
        let proxies = ["10.0.0.0/8".parse().expect("a network")];
        client_address(peer.parse().expect("an address"), forwarded_for, &proxies).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_its_address() {
        assert_eq!(client("192.0.2.1", "198.51.100.7"), "192.0.2.1");
        assert_eq!(client("10.0.0.1", "198.51.100.7, 192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_untrusted_entry_counts() {
        assert_eq!(client("10.0.0.1", "192.0.2.1, 10.9.9.9"), "192.0.2.1");
        assert_eq!(client("10.0.0.1", "192.0.2.1, nonsense"), "10.0.0.1");
        assert_eq!(client("10.0.0.1", ""), "10.0.0.1");
        assert_eq!(client("10.0.0.1", "192.0.2.1:4711, 10.9.9.9:80"), "192.0.2.1");
        assert_eq!(client("10.0.0.1", "[2001:db8::1]:443"), "2001:db8::1");
        assert_eq!(client("10.0.0.1", "[2001:db8::1]"), "2001:db8::1");
        assert_eq!(client("10.0.0.1", "\u{fffd}, 192.0.2.1"), "192.0.2.1");
        assert_eq!(client("::ffff:10.0.0.1", "2001:db8::1"), "2001:db8::1");
    }
}
