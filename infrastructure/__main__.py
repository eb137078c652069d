"""The Pulumi program: ``pulumi up`` in this directory runs it. What it makes is in ``stack``."""

import sys
from pathlib import Path

import pulumi

# Pulumi runs this directory as a script, which leaves the package that it is part of out of reach.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from infrastructure.stack.program import deploy  # noqa: E402 (the path is set just above)
from infrastructure.stack.settings import read_settings  # noqa: E402

for name, value in deploy(read_settings(pulumi.get_stack(), pulumi.Config().get)).items():
    pulumi.export(name, value)
