//! Options of sockets. An option with an effect on the simulation is read where it has that effect.
//! Others are kept here or in the token.

use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Id;
use super::descriptors::{Kind, Object};
use super::tcp::Role;
use crate::platform::world::World;

/// The hop limit that Linux begins with.
const HOPS: c_int = 64;

/// Whether an option has no meaning for the token and is kept here.
fn is_kept(level: c_int, option: c_int) -> bool {
    matches!(level, libc::IPPROTO_TCP | libc::IPPROTO_UDP | libc::IPPROTO_IP | libc::IPPROTO_IPV6)
        || level == libc::SOL_SOCKET
            && matches!(
                option,
                libc::SO_REUSEADDR | libc::SO_REUSEPORT | libc::SO_BROADCAST | libc::SO_KEEPALIVE
            )
}

/// The default value of an option.
fn default_of(level: c_int, option: c_int) -> c_int {
    match (level, option) {
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => HOPS,
        (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL | libc::IP_MULTICAST_LOOP)
        | (libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_HOPS | libc::IPV6_MULTICAST_LOOP) => 1,
        _ => 0,
    }
}

impl Object {
    /// Whether an option was set to something other than 0.
    pub(super) fn is_set(&self, level: c_int, option: c_int) -> bool {
        let value = self.options.iter().find(|it| (it.0, it.1) == (level, option));
        value.is_some_and(|(.., value)| value.iter().any(|&byte| byte != 0))
    }

    /// The value of an option. `None` if the token keeps it.
    pub(super) fn option(&mut self, level: c_int, option: c_int) -> Option<Vec<u8>> {
        let number = |number: c_int| Some(number.to_ne_bytes().to_vec());
        let (family, protocol, error, is_listener) = match &mut self.kind {
            Kind::Tcp(tcp) => {
                let is_listener = matches!(tcp.role, Role::Listener { .. });
                (tcp.family, libc::IPPROTO_TCP, &mut tcp.error, is_listener)
            }
            Kind::Udp(udp) => (udp.family, libc::IPPROTO_UDP, &mut udp.error, false),
            _ => return None,
        };
        match (level, option) {
            (libc::SOL_SOCKET, libc::SO_ERROR) => return number(error.take().unwrap_or(0)),
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => return number(family),
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => return number(protocol),
            (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => return number(c_int::from(is_listener)),
            _ if !is_kept(level, option) => return None,
            _ => (),
        }
        let kept = self.options.iter().find(|it| (it.0, it.1) == (level, option));
        match kept {
            Some((.., value)) => Some(value.clone()),
            None => number(default_of(level, option)),
        }
    }
}

impl World {
    /// Whether an option of an object was set.
    pub(super) fn is_set(&self, id: Id, level: c_int, option: c_int) -> bool {
        self.kernel.objects.get(id).is_some_and(|object| object.is_set(level, option))
    }

    /// Keeps the value of an option. `None` if the token has to keep it.
    pub(super) fn set_option(
        &mut self,
        id: Id,
        (level, option): (c_int, c_int),
        value: &[u8],
    ) -> Option<Result<(), c_int>> {
        let object = self.kernel.objects.get_mut(id)?;
        if let Kind::Udp(udp) = &mut object.kind
            && let Some((group, joins)) = membership(level, option, value)
        {
            let is_member = udp.groups.contains(&group);
            return Some(match (joins, is_member) {
                (true, true) => Err(libc::EADDRINUSE),
                (false, false) => Err(libc::EADDRNOTAVAIL),
                _ if !group.is_multicast() => Err(libc::EINVAL),
                (true, false) => {
                    udp.groups.push(group);
                    Ok(())
                }
                (false, true) => {
                    udp.groups.retain(|other| *other != group);
                    Ok(())
                }
            });
        }
        if let Kind::Tcp(tcp) = &mut object.kind
            && (level, option) == (libc::SOL_SOCKET, libc::SO_LINGER)
        {
            // Two numbers: whether it is on, and the seconds.
            let number = |at: usize| value.get(at..at + 4).is_some_and(|it| it != [0; 4]);
            tcp.resets_on_close = number(0) && !number(4);
            return None;
        }
        if !is_kept(level, option) {
            return None;
        }
        object.options.retain(|other| (other.0, other.1) != (level, option));
        let mut value = value.to_vec();
        if value.len() == 1 {
            // Linux takes a byte for some options, and returns a number.
            value = c_int::from(value[0]).to_ne_bytes().to_vec();
        }
        object.options.push((level, option, value));
        Some(Ok(()))
    }
}

/// The group that an option joins (`true`) or leaves.
fn membership(level: c_int, option: c_int, value: &[u8]) -> Option<(IpAddr, bool)> {
    let joins = match (level, option) {
        (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP)
        | (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP) => true,
        (libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP)
        | (libc::IPPROTO_IPV6, libc::IPV6_DROP_MEMBERSHIP) => false,
        _ => return None,
    };
    let group = if level == libc::IPPROTO_IP {
        Ipv4Addr::from(<[u8; 4]>::try_from(value.get(..4)?).ok()?).into()
    } else {
        Ipv6Addr::from(<[u8; 16]>::try_from(value.get(..16)?).ok()?).into()
    };
    Some((group, joins))
}
