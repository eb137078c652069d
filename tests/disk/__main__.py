"""``python -m tests.disk``: every fault in every transaction, pass after pass, and what came of all of them.

It goes on where it was stopped. Exits with 1 as soon as something is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.disk.campaign import Campaign, Record, told


def main() -> int:
    """Run until the time is over, or a whole pass has been made where there is no time."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--record", type=Path, help="where the numbers add up; without: nowhere")
    arguments.add_argument("--seconds", type=float, default=0, help="go on so long; 0: one pass")
    arguments.add_argument("--stride", type=int, default=1, help="only one in so many trials")
    arguments.add_argument("--only", help="only the transaction of this name")
    arguments.add_argument("--checksums", action="store_true", help="of a database with page checksums")
    given = arguments.parse_args()
    record = Record.read(given.record) if given.record else Record()
    end = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory() as directory:
        campaign = Campaign(Path(directory), only=given.only, checksums=given.checksums)
        passes = record.passes + 1
        while not record.wrong and (record.passes < passes or time.monotonic() < end):
            campaign.run(record.through, record, stride=given.stride)
            record.through += 1
            if record.through == campaign.subjects:
                record.passes, record.through = record.passes + 1, 0
            if given.record:
                record.write(given.record)
            if given.seconds and time.monotonic() > end:
                break
    print(told(record))
    for line in record.wrong[:20]:
        print(line)
    return 1 if record.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
