"""What tests of the AWS host begin with."""

from __future__ import annotations

import pytest

from tests.aws.stepped import AwsStepped


@pytest.fixture
def host() -> AwsStepped:
    """The AWS host on a fresh stage, moved by hand."""
    return AwsStepped()
