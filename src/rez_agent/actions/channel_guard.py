"""Where the messages of a channel may go: to the hosts that its address names, and to public addresses.

Who sends them opens connections in a hundred ways of its own, so the guard stands where Python makes them: at
the interpreter's audit events, in the thread that sends. What the operator wrote is trusted; where a service
is then led by what others answer (a server's discovery document, a redirect) is not.
"""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote
from weakref import WeakSet

from rez_agent.actions.addresses import AllowList, ForbiddenAddress, forbidden_text, plain_name

_WORD = re.compile(r"\[[0-9a-f:.]+\]|[^\s/@?&=,;:\[\]]+")
_MAKES, _ASKS = "socket.__new__", "socket.getaddrinfo"
_HEARD = frozenset({_MAKES, _ASKS, "socket.connect", "socket.sendto"})


class Leave:
    """What one message's sender may do. ``address`` is the channel's own, with every host that it names."""

    def __init__(self, address: str, allowed: AllowList) -> None:
        words = {plain_name(word.strip("[]")) for word in _WORD.findall(unquote(address).lower())}
        self._hosts = frozenset(words)
        self._domains = tuple(f".{word}" for word in words if "." in word)
        self._allowed = allowed
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._asked = ""
        self.forbidden: str | None = None

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The sender is about to do something. Raises ForbiddenAddress where it must not."""
        if event == _MAKES:
            self._sockets.add(arguments[0])
        elif event == _ASKS:
            self._asked = plain_name(str(arguments[0] or ""))
        elif isinstance(arguments[1], tuple):
            self._judge(str(arguments[1][0]), int(arguments[1][1]))

    def end(self) -> None:
        """Close what the sender has open: whatever it waits for, it waits no longer."""
        for one in list(self._sockets):
            with suppress(OSError, ValueError):
                one.shutdown(socket.SHUT_RDWR)

    def _judge(self, address: str, port: int) -> None:
        host = self._asked or plain_name(address)
        if host in self._hosts or host.endswith(self._domains):
            return
        why = self._allowed.refusal(host, address, port)
        if why is not None:
            self.forbidden = forbidden_text(host, address, port, why)
            raise ForbiddenAddress(why)


class ChannelGuard:
    """Holds the threads that send messages to their leave; no other thread notices it."""

    def __init__(self) -> None:
        self._here = threading.local()
        self._hooking = threading.Lock()
        self._hooked = False

    @contextmanager
    def holding(self, leave: Leave, seconds: float) -> Iterator[None]:
        """Hold this thread to ``leave`` within the block; after ``seconds`` it has no connection left."""
        self._hook()
        timer = threading.Timer(seconds, leave.end)
        timer.daemon = True
        timer.start()
        self._here.leave = leave
        try:
            yield
        finally:
            self._here.leave = None
            timer.cancel()

    def _hook(self) -> None:
        """Listen to the interpreter, from the first message on: it can't be undone, and costs little."""
        with self._hooking:
            if not self._hooked:
                sys.addaudithook(self._hear)
                self._hooked = True

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _HEARD:
            leave: Leave | None = getattr(self._here, "leave", None)
            if leave is not None:
                leave.hear(event, arguments)


GUARD = ChannelGuard()  # one for the process, as the interpreter's hooks are
