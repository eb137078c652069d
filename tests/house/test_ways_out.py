"""Every way out of the process, and why it is one: a new one is to be thought about, and listed here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "rez_agent"

OPENING = {
    "aiohttp": {"ClientSession", "TCPConnector", "UnixConnector", "request"},
    "apprise": {"Apprise"},
    "asyncio": {"open_connection", "open_unix_connection"},
    "botocore": {"session"},
    "ftplib": {"FTP", "FTP_TLS"},
    "http": {"client"},
    "httpx": set(),
    "imaplib": set(),
    "poplib": set(),
    "requests": set(),
    "boto3": set(),
    "smtplib": set(),
    "socket": {"create_connection", "getaddrinfo", "socket", "socketpair"},
    "subprocess": {"Popen", "run", "call", "check_call", "check_output"},
    "telnetlib": set(),
    "urllib": {"request"},
    "urllib3": set(),
    "webbrowser": set(),
    "websockets": set(),
    "xmlrpc": set(),
}
"""What opens a connection or starts a program, by the package that has it; empty: all of it does."""

METHODS = {"create_connection", "create_datagram_endpoint", "sock_connect", "urlopen", "create_client"}
"""Methods that do, whatever they belong to."""

WAYS = {
    # What callers say where it goes: guarded where the socket is made.
    "actions/guarded_http.py": {"aiohttp.ClientSession", "aiohttp.TCPConnector", "socket.socket"},
    "actions/exchange.py": {"aiohttp.TCPConnector", "aiohttp.ClientSession"},  # the guard's own, given to it
    "actions/names.py": {"socket.getaddrinfo"},  # the guard's names
    # What the operator says: the channels, held by their own guard to what they name.
    "actions/apprise_transport.py": {"apprise.Apprise"},
    "actions/channel_guard.py": {"socket.socket"},  # a type alone
    # Our own program, which gets no network to speak of: it evaluates conditions.
    "actions/judging.py": {"subprocess.Popen"},
    # The cloud that the operator deployed to.
    "aws/clients.py": {"botocore.session", ".create_client"},
    # The command line: its user's own server; a port of this machine, to see whether it is free.
    "cli/client.py": {"urllib.request", "http.client"},
    "cli/machine_checks.py": {"socket.socket"},
    "cli/demo.py": {"socket.socket"},
    # What is listened on.
    "local/serve.py": {"socket.getaddrinfo", "socket.socket"},
}


def ways_of(tree: ast.AST) -> Iterator[str]:
    """What in a module leads out, as ``package.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            package, _, inner = node.module.partition(".")
            names = [inner.split(".")[0]] if inner else [alias.name for alias in node.names]
            if inner and package in ("aiohttp", "socket"):
                names += [alias.name for alias in node.names]
            yield from _of(package, names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                package, _, inner = alias.name.partition(".")
                yield from _of(package, [inner] if inner else ["*"])
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in OPENING:
                yield from _of(node.value.id, [node.attr])
            elif node.attr in METHODS:
                yield f".{node.attr}"


def _of(package: str, names: list[str]) -> Iterator[str]:
    if package in OPENING:
        opening = OPENING[package]
        yield from (f"{package}.{name}" for name in names if not opening or name in opening)


def ways_in(source: Path) -> dict[str, set[str]]:
    """The modules below ``source`` that have a way out, and which."""
    found = {
        str(file.relative_to(source)): set(ways_of(ast.parse(file.read_text(encoding="utf-8"))))
        for file in sorted(source.rglob("*.py"))
    }
    return {name: ways for name, ways in found.items() if ways}


def test_every_way_out_of_the_process_is_known() -> None:
    assert ways_in(SOURCE) == WAYS


def test_callers_targets_leave_by_the_guard_alone() -> None:
    """Only composition roots make what sends, and only the sender's parts and the heartbeat use the guard."""
    makers = [name for name, text in sources() if "make_actions(" in text]
    users = [name for name, text in sources() if "GuardedHttp(" in text]
    assert makers == ["actions/build.py", "aws/build.py", "local/build.py"]
    assert users == ["actions/build.py", "local/heartbeat.py"]


def sources() -> list[tuple[str, str]]:
    return [
        (str(file.relative_to(SOURCE)), file.read_text(encoding="utf-8"))
        for file in sorted(SOURCE.rglob("*.py"))
    ]


def test_a_new_way_out_would_be_found(tmp_path: Path) -> None:
    smuggled = {
        "a.py": "import requests\n",
        "b.py": "def f():\n    from urllib.request import urlopen\n    urlopen('http://a/')\n",
        "c.py": "import aiohttp\nasync def f():\n    return aiohttp.ClientSession()\n",
        "d.py": "import asyncio\nasync def f():\n    await asyncio.open_connection('a', 1)\n",
        "e.py": "import socket\nsocket.create_connection(('a', 1))\n",
        "f.py": "async def f(loop):\n    await loop.create_connection(None, 'a', 1)\n",
        "g.py": "from http.client import HTTPConnection\n",
        "h.py": "from aiohttp.client import ClientSession\n",
        "i.py": "from os import path\nimport json\n",
    }
    for name, text in smuggled.items():
        (tmp_path / name).write_text(text)
    assert set(ways_in(tmp_path)) == set(smuggled) - {"i.py"}
