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
KILLED = "the process that evaluates it was killed twice. Give the machine more memory"
CLOSED = "it was not evaluated: the server is stopping"


class Judge:
    """Evaluates conditions. May be asked from any event loop; one question is answered at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = False

    async def judge(self, condition: Condition) -> Verdict:
        """What a condition comes to. Never raises, except when it is cancelled."""
        import asyncio  # noqa: PLC0415  # whoever only checks what is asked starts without it

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._judge, condition)

    def close(self) -> None:
        """End the process, whatever it is at. Questions under way or waiting get an error and no verdict."""
        if "_thread" in self.__dict__:
            self._closing = True
            if (process := self._process) is not None:
                process.kill()  # the thread may be waiting for it
            self._thread.submit(self._end).result()
            self._thread.shutdown()
            del self.__dict__["_thread"]
            self._closing = False

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="judge")

    def _judge(self, condition: Condition) -> Verdict:
        try:
            answer = self._asked(_question(condition))
        except Exception as error:  # noqa: BLE001 - what is not judged must not run unjudged
            self._end()
            return Verdict(None, error=f"it could not be evaluated: {error}")
        if isinstance(answer, str):
            return Verdict(None, error=answer)
        told = json.loads(answer)
        read = tuple((name, value) for name, value in told["read"])
        return Verdict(told.get("value"), read, told.get("error"))

    def _asked(self, question: bytes) -> bytes | str:
        """The process's answer, or in words why there is none.

        A process that somebody else killed has not said that the question is too much: it is asked once more.
        """
        for _ in range(2):
            if self._closing:
                return CLOSED
            answer = _answer(self._ready(), question)
            if answer is not None:
                return answer
            ended = self._cut_off()
            if ended != -signal.SIGKILL:
                return TOO_LONG if ended == -signal.SIGPROF else TOO_LARGE
        return CLOSED if self._closing else KILLED

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
        if self._closing:
            process.kill()  # who closes us may have looked before it was there
        if _answer(process, json.dumps(KINDS).encode()) is None:
            raise ChildProcessError("it did not start")
        return process

    def _cut_off(self) -> int:
        """How the process ended that gave no answer; it is gone after this."""
        process = self._process
        assert process is not None
        try:
            ended = process.wait(0.5)
        except subprocess.TimeoutExpired:
            ended = -signal.SIGPROF  # it was given no time at all
        self._end()
        return ended

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


def _answer(
    process: subprocess.Popen[bytes], question: bytes, seconds: float = LONGEST_SECONDS
) -> bytes | None:
    """The answer's line; None if the process did not live to give it, or took none of it for so long."""
    try:
        return _line(process, seconds) if _written(process, question + b"\n", seconds) else None
    except BrokenPipeError:
        return None


def _written(process: subprocess.Popen[bytes], line: bytes, seconds: float) -> bool:
    """Whether the process took the line. One that hangs takes no more than fits its pipe."""
    assert process.stdin is not None
    number, rest, writable = process.stdin.fileno(), memoryview(line), select.poll()
    os.set_blocking(number, False)
    writable.register(number, select.POLLOUT)
    while rest:
        if not writable.poll(1000 * seconds):
            return False
        rest = rest[os.write(number, rest) :]
    return True


def _close(pipe: object) -> None:
    try:
        pipe.close()  # type: ignore[attr-defined]
    except OSError:
        return


def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
    """A line of the process's; None when it ends before, or takes longer than anybody waits."""
    assert process.stdout is not None
    number, found, readable = process.stdout.fileno(), b"", select.poll()
    readable.register(number, select.POLLIN)
    while not found.endswith(b"\n"):
        part = os.read(number, 65_536) if readable.poll(1000 * seconds) else b""
        if not part:
            return None
        found += part
    return found
