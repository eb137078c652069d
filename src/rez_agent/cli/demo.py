"""The demo: the real server with a target of its own and three schedules, told as it happens.

One process: the server has the main thread (it waits for Ctrl-C and SIGTERM as always), the story is told
from a second one over REST, like any client's, and the target answers from others.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from rez_agent.cli.client import Client, Unreachable
from rez_agent.cli.demo_target import FAILURES, target_server
from rez_agent.cli.names import schedule_path
from rez_agent.cli.render import clean
from rez_agent.cli.session import Session, put_json
from rez_agent.cli.story import Story, opening
from rez_agent.domain.errors import RezError

USUAL_PORT = 8080
STOPS_WITHIN = 15.0
"""Seconds in which a server that was asked to stop has stopped."""

LOOK_EVERY = 0.15
"""Seconds between two looks into the ledger."""

_EXPLAINED = {
    "hello": "fires once, in a few seconds",
    "flaky": f"its target fails {FAILURES} times, so that retries are seen",
    "tick": "fires at every full minute",
}


def run_demo(session: Session, *, port: int | None, seconds: float | None, data_dir: Path | None) -> None:
    """Serve, and tell what happens, until Ctrl-C, SIGTERM or ``seconds`` have passed."""
    voice = Voice(session)
    narrator = Narrator(voice, seconds)
    for number in (signal.SIGINT, signal.SIGTERM):  # until the server minds them itself
        signal.signal(number, lambda _number, _frame: narrator.over.set())
    _serve_and_tell(narrator, voice, port, data_dir)
    if narrator.failure is not None:
        raise narrator.failure
    voice.say_all(_farewell())


def _serve_and_tell(narrator: Narrator, voice: Voice, port: int | None, data_dir: Path | None) -> None:
    from rez_agent.local.serve import serve  # noqa: PLC0415 - the server's libraries are heavy
    from rez_agent.local.settings import LocalSettings  # noqa: PLC0415

    with _data(data_dir) as directory, target_server(voice.say) as target:
        settings = LocalSettings(
            port=free_port() if port is None else port,
            data_dir=directory,
            allow_target=("127.0.0.1",),
            log_level="error",
        ).checked()
        try:
            serve(settings, on_ready=lambda url: narrator.begin(url, target))
        finally:
            narrator.end()


class Voice:
    """Prints one sentence at a time, with the seconds since the start; for programs, as JSON lines."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = Lock()
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """One thing that happened."""
        passed = time.monotonic() - self._began
        with self._lock:
            if self._session.as_json:
                put_json({"seconds": round(passed, 3), "text": text})
            else:
                print(f"{passed:7.2f} s  {clean(text)}", flush=True)

    def say_all(self, lines: list[str]) -> None:
        """Words that are no event; programs don't get them."""
        with self._lock:
            if not self._session.as_json:
                print("\n".join(lines), flush=True)


class Narrator:
    """Creates the schedules once the server is ready, and tells what the ledger says."""

    def __init__(self, voice: Voice, seconds: float | None) -> None:
        self.failure: RezError | None = None
        self.over = Event()
        self._voice = voice
        self._seconds = seconds
        self._target = ""
        self._stopped = False
        self._thread: Thread | None = None

    def begin(self, url: str, target: str) -> None:
        """The server is ready at ``url``; the schedules are to call ``target``."""
        self._target = target
        self._thread = Thread(target=self._tell, args=(url,), name="demo-story", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """The server has stopped: stop telling."""
        self._stopped = True
        self.over.set()
        if self._thread is not None:
            self._thread.join(5)

    def _tell(self, url: str) -> None:
        ends = time.monotonic() + (self._seconds or float("inf"))
        try:
            if not self.over.is_set():
                self._story(Client(url), ends)
        except Unreachable as error:
            if not self.over.wait(STOPS_WITHIN):  # else it was stopping, as it was asked to
                self.failure = error
        except RezError as error:
            self.failure = error
        if not self._stopped:
            os.kill(os.getpid(), signal.SIGTERM)  # the way anyone stops the server

    def _story(self, client: Client, ends: float) -> None:
        self._until_it_answers(client)
        self._voice.say(f"the server and its page are ready at {client.url}, the target at {self._target}")
        names = self._create(client)
        story = Story(names)
        hinted = False
        while time.monotonic() < ends and not self.over.wait(LOOK_EVERY):
            page: dict[str, Any] = client.get("/api/executions", limit=50).document
            for sentence in story.sentences(page["items"]):
                self._voice.say(sentence)
            if story.told_all("hello", "flaky") and not hinted:
                hinted = True
                self._voice.say_all(hints(client.url, next(iter(names))))

    def _until_it_answers(self, client: Client) -> None:
        """Raises Unreachable when it doesn't within five seconds."""
        for _ in range(50):
            with suppress(Unreachable):
                client.get("/readyz")
                return
            self.over.wait(0.1)
        client.get("/readyz")

    def _forget(self, client: Client, name: str) -> None:
        """Delete what an earlier demo left in a data directory that was kept."""
        for old in client.page("/api/schedules", name=name)["items"]:
            client.change("DELETE", schedule_path(old["id"]))

    def _create(self, client: Client) -> dict[str, str]:
        """Create the three schedules; their names by id."""
        names: dict[str, str] = {}
        for definition in opening(datetime.now(UTC), self._target):
            self._forget(client, definition["name"])
            document = client.change("POST", "/api/schedules", definition).document
            names[document["schedule_id"]] = name = definition["name"]
            self._voice.say(f"created {name}, {definition['schedule_expression']}: {_EXPLAINED[name]}")
        return names


def hints(url: str, schedule_id: str) -> list[str]:
    """What to try while the demo runs; ``schedule_id`` is that of ``hello``."""
    there = f" --url {url}" if url != f"http://127.0.0.1:{USUAL_PORT}" else ""
    program = _program()
    return [
        "",
        f"While this runs, open {url}/ in a browser, or try in another terminal:",
        f"  curl -s {url}/api/schedules",
        f"  curl -s '{url}/api/executions?limit=3'",
        f"  curl -s -X POST {url}/api/schedules/{schedule_id}/run",
        f"  {program}{there} list",
        f"  {program}{there} history flaky",
        f"  {program}{there} run hello --wait",
        "Ctrl-C ends the demo.",
        "",
    ]


def _farewell() -> list[str]:
    program = _program()
    return [
        "",
        "That was the demo. To go on with a server of your own:",
        f"  {program} serve",
        f'  {program} create first "rate(1 minute)" --http https://example.com/',
        f"  {program} history first --follow",
    ]


def _program() -> str:
    program = Path(sys.argv[0])
    return called(program, found=shutil.which(program.name) is not None, here=Path.cwd())


def called(program: Path, *, found: bool, here: Path) -> str:
    """What to type ``here`` for the ``program``: its name where a shell has ``found`` it by that, else its
    path."""
    if found:
        return program.name
    return str(program.relative_to(here) if program.is_relative_to(here) else program)


def free_port(usual: int = USUAL_PORT) -> int:
    """The usual port, or a free one when that is taken."""
    for port in (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0


@contextmanager
def _data(data_dir: Path | None) -> Iterator[Path]:
    """The data directory: the one given, or one that goes with the demo."""
    if data_dir is not None:
        yield data_dir
        return
    with tempfile.TemporaryDirectory(prefix="rez-demo-", ignore_cleanup_errors=True) as directory:
        yield Path(directory) / "data"
