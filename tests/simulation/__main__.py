"""``python -m tests.simulation``: many seeds, or one seed told.

--seed N           play one story again, tell it and the verdict
--seeds N          play the seeds from 0 to before N (100000)
--resume DIR       keep the results there, and go on where an earlier run stopped
--minutes M        begin nothing more after so long
--from N           with --seeds: the first seed
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.simulation.campaign import Results, campaign, chunk
from tests.simulation.checker import judged
from tests.simulation.story import written
from tests.simulation.world import played


def main() -> int:
    """The exit status: 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--from", type=int, dest="first")
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--minutes", type=float)
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _tell(arguments.seed)
    results = Results()
    if arguments.first is not None:
        results = chunk(arguments.first, arguments.first + arguments.seeds)
    else:
        for results in campaign(arguments.seeds, directory=arguments.resume, minutes=arguments.minutes):
            print(results.told(), flush=True)
    return _conclude(results)


def _conclude(results: Results) -> int:
    print(results.told())
    for seed, texts in sorted(results.failed.items()):
        print(f"seed {seed} failed. Play it again: python -m tests.simulation --seed {seed}")
        for text in texts:
            print(f"    {text}")
    return 1 if results.failed else 0


def _tell(seed: int) -> int:
    plan = written(seed)
    print("\n".join(plan.told()))
    record = played(plan)
    lines = [(life.began, f"process {life.number} begins") for life in record.lives]
    lines += [(life.gone, f"process {life.number} is gone") for life in record.lives]
    lines += [(call.began, f"attempt {call.attempt} of {call.key} is called") for call in record.calls]
    lines += [
        (
            call.ended,
            f"attempt {call.attempt} of {call.key}: {call.outcome.code if call.outcome else 'cut off'}",
        )
        for call in record.calls
        if call.ended is not None
    ]
    for asked in record.asked:
        lines.append((asked.sent, f"command {asked.number} is sent: {asked.action} {asked.schedule_id}"))
        if asked.judged is not None and asked.judged_at is not None:
            lines.append((asked.judged_at, f"command {asked.number} is {asked.judged.status.value}"))
        if asked.answered is not None:
            answer = asked.refused or "accepted"
            lines.append((asked.answered, f"command {asked.number} is answered: {answer}"))
    print("what happened:")
    for moment, text in sorted(lines):
        print(f"  {moment:12.3f} s  {text}")
    print("the ledger:")
    for row in record.executions:
        told = f" ({row.span.count} up to {row.span.last})" if row.span else ""
        print(f"  {row.id} {row.cause.value} {row.status.value} {row.reason or ''}{told}")
    found = judged(record)
    print("verdict:", "all is well" if not found else "")
    for violation in found:
        print(f"  {violation}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
