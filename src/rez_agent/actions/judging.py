"""Judging conditions: in a process of its own, since nothing else can stop an expression that does not end.

The process is started when a condition is first judged, answers one question after another in a fraction of a
millisecond, and is killed and started anew when one is too much for it. It gets no environment to speak of,
and ends by itself when we do: its input ends then.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from rez_agent.actions.judge import main
from rez_agent.domain.condition import KINDS, Condition, Verdict, mentioned

LONGEST_SECONDS = 10.0
"""How long an answer is waited for, on a machine that gives the process no time."""

_CHILD = f"import sys; sys.path[:] = {{path!r}}; from {main.__module__} import main; main()"
_PASSED_ON = ("LD_LIBRARY_PATH", "PATH")

TOO_LONG = "it takes too long to evaluate: 50 ms of processor time are allowed. Make it simpler"
TOO_LARGE = "it takes too much memory to evaluate. Make it simpler"


class Judge:
    """Evaluates conditions. May be asked from any event loop; one question is answered at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    async def judge(self, condition: Condition) -> Verdict:
        """What a condition comes to. Never raises, except when it is cancelled."""
        import asyncio  # noqa: PLC0415  # whoever only checks what is asked starts without it

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._judge, condition)

    def close(self) -> None:
        """End the process, once the question under way is answered."""
        if "_thread" in self.__dict__:
            self._thread.submit(self._end).result()
            self._thread.shutdown()
            del self.__dict__["_thread"]

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="judge")

    def _judge(self, condition: Condition) -> Verdict:
        try:
            answer = _answer(self._ready(), _question(condition))
            told = None if answer is None else json.loads(answer)
        except Exception as error:  # noqa: BLE001 - what is not judged must not run unjudged
            self._end()
            return Verdict(None, error=f"it could not be evaluated: {error}")
        if told is None:
            return Verdict(None, error=self._cut_off())
        read = tuple((name, value) for name, value in told["read"])
        return Verdict(told.get("value"), read, told.get("error"))

    def _ready(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._process = process = subprocess.Popen(  # noqa: S603 - our own program, nothing of a caller's
            [sys.executable, "-E", "-s", "-S", "-c", _CHILD.format(path=sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        if _answer(process, json.dumps(KINDS).encode()) is None:
            raise ChildProcessError("it did not start")
        return process

    def _cut_off(self) -> str:
        """Why there was no answer; the process is gone after this."""
        process = self._process
        assert process is not None
        try:
            ended = process.wait(0.5)
        except subprocess.TimeoutExpired:
            ended = -signal.SIGPROF  # it was given no time at all
        self._end()
        return TOO_LONG if ended == -signal.SIGPROF else TOO_LARGE

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    _close(pipe)


def _question(condition: Condition) -> bytes:
    facts = condition.facts
    asked = {
        "condition": condition.expression,
        "paths": mentioned(condition.expression),
        "values": facts.values(),
        "texts": facts.texts(),
    }
    return json.dumps(asked).encode()


def _answer(process: subprocess.Popen[bytes], question: bytes) -> bytes | None:
    """The answer's line; None if the process did not live to give it."""
    assert process.stdin is not None
    try:
        process.stdin.write(question + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        return None
    return _line(process)


def _close(pipe: object) -> None:
    try:
        pipe.close()  # type: ignore[attr-defined]
    except OSError:
        return


def _line(process: subprocess.Popen[bytes]) -> bytes | None:
    """A line of the process's; None when it ends before, or takes longer than anybody waits."""
    assert process.stdout is not None
    number, found, readable = process.stdout.fileno(), b"", select.poll()
    readable.register(number, select.POLLIN)
    while not found.endswith(b"\n"):
        part = os.read(number, 65_536) if readable.poll(1000 * LONGEST_SECONDS) else b""
        if not part:
            return None
        found += part
    return found
