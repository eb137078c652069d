"""What may be wrong with what a build is given."""

from __future__ import annotations


class Unbuildable(Exception):
    """A build can't be made of what was given; the text says what is wrong and what to do."""
