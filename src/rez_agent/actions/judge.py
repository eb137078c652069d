"""The process that evaluates conditions: lines of JSON in, lines of JSON out, until its input ends.

It may be killed at any time and is: by the timer, when an expression has used :data:`CPU_SECONDS`, and by its
limit of memory. Processor time is what counts, so that a busy machine condemns nobody.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path

from rez_agent.actions.evaluating import Kinds, environment, evaluated

CPU_SECONDS = 0.05
MEMORY = 256 * 1024 * 1024
"""Bytes beyond what the process has when it is ready."""


def main() -> None:
    """Read what variables there are, say that we are ready, then answer."""
    kinds: Kinds = tuple((name, kind) for name, kind in json.loads(sys.stdin.buffer.readline()))
    environment(kinds).compile("true")  # the library is loaded before time counts
    _limit_memory()
    _say(b"ready")
    for line in sys.stdin.buffer:
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # nobody handles its signal: it ends the process
        answer = json.dumps(evaluated(kinds, **json.loads(line))).encode()
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(answer)


def _say(answer: bytes) -> None:
    sys.stdout.buffer.write(answer + b"\n")
    sys.stdout.buffer.flush()


def _limit_memory() -> None:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    size = int(pages) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
