"""The templates of the three stages, made once: a synthesis is half a second, its imports are two."""

from __future__ import annotations

import warnings

import pytest
from infrastructure.synth import synthesize

from tests.infrastructure.templates import Deployed, Template

STAGES = ("dev", "stage", "prod")


@pytest.fixture(scope="session")
def templates() -> dict[str, Template]:
    with warnings.catch_warnings():
        # Pulumi's deprecated types say so when they are defined, which they all are, used or not.
        warnings.simplefilter("ignore", DeprecationWarning)
        return {stage: synthesize(stage) for stage in STAGES}


@pytest.fixture(scope="session")
def dev(templates: dict[str, Template]) -> Deployed:
    return Deployed(templates["dev"])
