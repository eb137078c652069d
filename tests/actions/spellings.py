"""Ways to write an address that must not be called."""

# ruff: noqa: RUF001  # characters that look like others are what this is about

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

FORBIDDEN_V4 = (
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
)
FORBIDDEN_V6 = (
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "0000:0000:0000:0000:0000:0000:0000:0001",
    "fc00::1",
    "fd00:ec2::254",
    "fd12:3456:789a::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "4000::1",
    "FE80::1",
    "fe80::1%251",
    "fe80::1%25lo",
    "::1%251",
)
_DIGITS = "0123456789"
_FULLWIDTH = str.maketrans(_DIGITS, "".join(chr(0xFF10 + n) for n in range(10)))
_CIRCLED = str.maketrans(_DIGITS, "⓪①②③④⑤⑥⑦⑧⑨")
_FULLWIDTH_STOP, _IDEOGRAPHIC_STOP = "\uff0e", "\u3002"


def forbidden_hosts() -> list[str]:
    """Hosts as they stand in a URL, each written only once."""
    found: dict[str, None] = {}
    for text in FORBIDDEN_V4:
        found |= dict.fromkeys(_v4_spellings(text))
        found |= dict.fromkeys(f"[{form}]" for form in _v6_around(IPv4Address(text)))
    found |= dict.fromkeys(f"[{text}]" for text in FORBIDDEN_V6)
    return list(found)


def forbidden_urls(port: int) -> list[str]:
    """URLs that some reader or other takes for one that leads to this machine, or to a metadata service."""
    found: dict[str, None] = {}
    for host in ("127.0.0.1", "169.254.169.254", "[::1]", "localhost"):
        found |= dict.fromkeys(form.format(host=host, port=port) for form in _URLS)
    names = (
        "localhost",
        "LOCALHOST",
        "localhost.",
        "localhost..",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "ｌｏｃａｌｈｏｓｔ",
        "ℒocalhost",
        "loc\u00adalhost",
    )
    found |= dict.fromkeys(f"http://{name}:{port}/" for name in (*names, *_NUMBERS))
    return list(found)


_URLS = (
    "http://{host}:{port}",
    "HTTP://{host}:{port}/",
    "http://{host}:{port}#@example.org/",
    "http://{host}:{port}/@example.org/",
    "http://{host}:{port}?@example.org/",
    "http://{host}:{port}\\@example.org/",
    "http://example.org@{host}:{port}/",
    "http://example.org:80@{host}:{port}/",
    "http://example.org%40{host}:{port}/",
    "http://example.org#@{host}:{port}/",
    "http://example.org\\@{host}:{port}/",
    "http://example.org @{host}:{port}/",
    "http://:@{host}:{port}/",
    "http://@{host}:{port}/",
    "http://{host}:{port}:80/",
    "http://{host}:{port}%00.example.org/",
    "http://{host}%00.example.org:{port}/",
    "http://{host}\t:{port}/",
    "http://{host}\u200b:{port}/",
    "http://\u2060{host}:{port}/",
    "http:\\\\{host}:{port}\\",
    "http:/{host}:{port}/",
    "http:{host}:{port}/",
    "http:///{host}:{port}/",
    "//{host}:{port}/",
    " http://{host}:{port}/",
    "http://{host}.:{port}/",
    "http://{host}..:{port}/",
    "http://.{host}:{port}/",
    "http://{host}:{port}/..",
    "http://{host}:0{port}/",
    "http://{host}:+{port}/",
)
_NUMBERS = (
    "0",
    "0.0",
    "0x0",
    "00000000",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0000000177.0.0.1",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "0x0000007f.0.0.0x1",
    "017700000001",
    "0x7f000001",
    "0X7F000001",
    "2130706433",
    "02130706433",
    "6425673729",
    "4294967295",
    "127.0.0.1.",
    "127.0.0.1..",
    "1.0.0.127.in-addr.arpa",
    "127。0。0。1",
    "127｡0｡0｡1",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "𝟙𝟚𝟟.𝟘.𝟘.𝟙",
    "٠.٠.٠.٠",
    "१२७.०.०.१",
    "[::]",
    "[0::]",
    "[::0.0.0.0]",
    "[::127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::FFFF:127.0.0.1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::1%25lo]",
    "[::1%lo]",
    "[::1%25]",
    "[fe80::1%25eth0]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::ffff:0177.0.0.1]",
    "[::ffff:0x7f000001]",
    "[127.0.0.1]",
    "[localhost]",
)


def _v4_spellings(text: str) -> Iterator[str]:
    a, b, c, d = (int(part) for part in text.split("."))
    number = int(IPv4Address(text))
    yield text
    yield f"{text}."
    yield f"user@{text}"
    yield f"example.org@{text}"
    yield f"{a:#o}.{b:#o}.{c:#o}.{d:#o}".replace("0o", "0")
    yield f"{a:04o}.{b}.{c}.{d:05o}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"{a:#X}.{b}.{c}.{d}"
    yield str(number)
    yield f"{number:#x}"
    yield f"{number:#o}".replace("0o", "0")
    yield f"{a}.{(b << 16) | (c << 8) | d}"
    yield f"{a}.{b}.{(c << 8) | d}"
    yield text.translate(_FULLWIDTH)
    yield text.translate(_CIRCLED)
    yield text.replace(".", _IDEOGRAPHIC_STOP)
    yield text.replace(".", _FULLWIDTH_STOP)
    yield "".join(f"%{ord(char):02x}" for char in text)


def _v6_around(v4: IPv4Address) -> Iterator[str]:
    """IPv6 addresses that carry ``v4``."""
    number = int(v4)
    yield f"::ffff:{v4}"
    yield str(IPv6Address(0xFFFF << 32 | number))
    yield f"::{v4}"
    yield f"::ffff:0:{v4}"
    yield f"64:ff9b::{v4}"
    yield f"64:ff9b:1::{v4}"
    yield str(IPv6Address(0x2002 << 112 | number << 80 | 1))
    yield str(IPv6Address(0x20010000 << 96 | number ^ 0xFFFFFFFF))
    yield str(IPv6Address(0x2A00 << 112 | 0x5EFE << 32 | number))
