"""Which addresses an action may connect to: public ones, and those that the operator allows.

The refused networks are those of the IANA special-purpose registries (RFC 6890 and its updates), the ranges
that carry an IPv4 address inside an IPv6 one, and the metadata services of clouds. ``ipaddress`` is not
asked whether an address is private: it says no for CGNAT, NAT64, 6to4, IPv4-compatible and multicast ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from rez_agent.domain.errors import Invalid, Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_V4 = {
    "0.0.0.0/8": "unspecified",
    "10.0.0.0/8": "private",
    "100.100.100.200/32": "a metadata service",
    "100.64.0.0/10": "shared address space (CGNAT)",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a metadata service",
    "169.254.169.254/32": "a metadata service",
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved for protocols",
    "192.0.2.0/24": "reserved for documentation",
    "192.88.99.0/24": "a 6to4 relay",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "reserved for benchmarking",
    "198.51.100.0/24": "reserved for documentation",
    "203.0.113.0/24": "reserved for documentation",
    "224.0.0.0/4": "multicast",
    "255.255.255.255/32": "broadcast",
    "240.0.0.0/4": "reserved",
}
_V6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "::ffff:0:0/96": "an IPv4-mapped address",
    "::ffff:0:0:0/96": "an IPv4-translated address",
    "::/96": "an IPv4-compatible address",
    "64:ff9b::/96": "an IPv4 address behind NAT64",
    "64:ff9b:1::/48": "an IPv4 address behind NAT64",
    "100::/64": "reserved for discarding",
    "2001::/32": "an IPv4 address behind Teredo",
    "2001:2::/48": "reserved for benchmarking",
    "2001:db8::/32": "reserved for documentation",
    "2001::/23": "reserved for protocols",
    "2002::/16": "an IPv4 address behind 6to4",
    "3fff::/20": "reserved for documentation",
    "fd00:ec2::254/128": "a metadata service",
    "fd20:ce::254/128": "a metadata service",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "site-local",
    "ff00::/8": "multicast",
}
_REFUSED_V4 = tuple((IPv4Network(network), why) for network, why in _V4.items())
_REFUSED_V6 = tuple((IPv6Network(network), why) for network, why in _V6.items())
_GLOBAL_V6 = IPv6Network("2000::/3")
_ISATAP = 0x5EFE
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")
_NUMBER_LIKE = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*")


class ForbiddenAddress(OSError):
    """A guard refused to connect to an address."""


def why_refused(address: Address) -> str | None:
    """What kind of address it is, if no action may connect to it unasked; None if it is public."""
    if isinstance(address, IPv4Address):
        return next((why for network, why in _REFUSED_V4 if address in network), None)
    if address.scope_id is not None:
        return "an address with a zone"
    for network, why in _REFUSED_V6:
        if address in network:
            return why
    if address not in _GLOBAL_V6:
        return "reserved"
    # RFC 5214: an interface identifier ::0:5efe:a.b.c.d or ::200:5efe:a.b.c.d carries an IPv4 address.
    if (int(address) >> 32) & 0xFDFFFFFF == _ISATAP:
        return "an IPv4 address behind ISATAP"
    return None


@lru_cache(maxsize=4_096)
def plain_name(raw_host: str) -> str:
    """A host as it is compared: in lower case, without trailing dots."""
    return raw_host.lower().rstrip(".")


def read_address(text: str) -> Address | None:
    """The address that ``text`` writes in its usual form, or None."""
    try:
        return ip_address(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One exception: a network or a host's name, at one port or at any."""

    network: Network | None
    host: str | None
    port: int | None


class AllowList:
    """The operator's exceptions: ``HOST``, ``HOST:PORT``, ``ADDRESS``, ``CIDR``, ``[IPV6]:PORT``.

    An exception by address holds for every name that leads there. An exception by name holds only for
    connections made for that very name, wherever it leads.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Raises Invalid with a problem for each entry that can't be read."""
        read = [_entry(text.strip()) for text in entries if text.strip()]
        problems = [item for item in read if isinstance(item, Problem)]
        if problems:
            raise Invalid.of(problems)
        self._entries = tuple(item for item in read if isinstance(item, _Entry))

    def allows(self, host: str, address: Address, port: int) -> bool:
        """Whether a connection made for ``host`` may go to ``address`` although it isn't public."""
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any(
            entry.host == host
            or (entry.network is not None and (address in entry.network or _holds(entry.network, mapped)))
            for entry in self._entries
            if entry.port is None or entry.port == port
        )

    def names(self, host: str, port: int) -> bool:
        """Whether an exception names ``host``, or the address that it writes, in so many words."""
        address = read_address(host)
        if address is not None:
            return self.allows(host, address, port)
        return any(entry.host == host and entry.port in (None, port) for entry in self._entries)

    def refusal(self, host: str, address_text: str, port: int) -> str | None:
        """Why no connection may be made for ``host`` to this address; None if it may."""
        address = read_address(address_text)
        if address is None:
            return "not an address that can be read"
        why = why_refused(address)
        if why is None or self.allows(host, address, port):
            return None
        return why


def forbidden_text(host: str, address: str, port: int, why: str) -> str:
    """The sentence for people: what was refused and the setting that would allow it."""
    shown = f"[{host}]" if ":" in host else host
    what = f"{shown} is refused" if host == address else f"{shown} leads to {address}, which is refused"
    return (
        f"{what}: {why}. To allow it, start the server with --allow-target {shown}:{port} "
        f"(or REZ_ALLOW_TARGET={shown}:{port})."
    )


def _holds(network: Network, address: IPv4Address | None) -> bool:
    return address is not None and address in network


def _entry(text: str) -> _Entry | Problem:
    host, port = _split_port(text.lower())
    if port is not None and not 1 <= port <= 65_535:
        return _unreadable(text, "the port lies between 1 and 65535")
    bare = host.removeprefix("[").removesuffix("]")
    try:
        return _Entry(ip_network(bare, strict=False), None, port)
    except ValueError:
        pass
    name = bare.rstrip(".")
    if ":" in name or "/" in name or not _NAME.fullmatch(name) or _NUMBER_LIKE.fullmatch(name):
        return _unreadable(
            text, "write HOST, HOST:PORT, an address, a network like 10.0.0.0/8, or [IPV6]:PORT"
        )
    return _Entry(None, name, port)


def _unreadable(text: str, hint: str) -> Problem:
    return Problem("invalid_allow_target", f"--allow-target {text}: {hint}.")


def _split_port(text: str) -> tuple[str, int | None]:
    """The host and the port of an entry; a bare IPv6 address has none."""
    head, colon, tail = text.rpartition(":")
    if colon and tail.isascii() and tail.isdigit() and (":" not in head or head.endswith("]")):
        return head, int(tail[:6])
    return text, None
