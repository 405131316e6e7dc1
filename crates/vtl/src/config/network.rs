//! Networks: an address, or an address and the length of its prefix.

use super::ValueError;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The addresses that have their first bits in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix: u32,
}

/// The bits of an address, left-aligned, and how many there are.
const fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => ((address.to_bits() as u128) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

fn mask(prefix: u32) -> u128 {
    u128::MAX.checked_shl(128 - prefix).unwrap_or(0)
}

impl Network {
    /// Whether an address is one of them. IPv4 addresses in IPv6 form are IPv4 addresses.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((first, len), (other, other_len)) = (bits(self.first), bits(address.to_canonical()));
        len == other_len && (first ^ other) & mask(self.prefix) == 0
    }
}

impl Network {
    /// Whether every address of its version is one of them.
    pub(super) const fn is_any(&self) -> bool {
        self.prefix == 0
    }
}

impl FromStr for Network {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let malformed = || ValueError::Network(text.into());
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let first = address.parse::<IpAddr>().map_err(|_| malformed())?.to_canonical();
        let (value, len) = bits(first);
        let digits = |prefix: &&str| prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => len,
            Some(prefix) => Some(prefix).filter(digits).and_then(|prefix| prefix.parse().ok()).ok_or_else(malformed)?,
        };
        if prefix > len {
            return Err(ValueError::PrefixTooLong { network: text.into(), bits: len });
        }
        if value & !mask(prefix) != 0 {
            return Err(ValueError::BitsAfterPrefix { network: text.into(), prefix });
        }
        Ok(Self { first, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_networks() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "203.0.113.9"),
            ("fd00::/8", "fdff::1", "fe80::1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::ffff:11.1.2.3"),
            ("192.0.2.128/25", "192.0.2.200", "192.0.2.127"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network} {inside}");
            assert!(!network.contains(outside.parse().unwrap()), "{network} {outside}");
        }
    }

    #[test]
    fn invalid_networks_are_refused() {
        for (text, message) in [
            ("", "is not a network"),
            ("10.0.0", "is not a network"),
            ("10.0.0.0/", "is not a network"),
            ("10.0.0.0/+8", "is not a network"),
            ("example.com", "is not a network"),
            ("10.0.0.0/33", "at most 32"),
            ("::/129", "at most 128"),
            ("10.0.0.1/8", "bits set behind its prefix of 8"),
        ] {
            let error = text.parse::<Network>().unwrap_err();
            assert!(error.to_string().contains(message), "{text:?}: {error}");
        }
    }
}
