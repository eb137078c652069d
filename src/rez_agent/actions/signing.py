"""Signatures by the Standard Webhooks specification, version 1 (symmetric, ``v1``).

Signed is ``{id}.{timestamp}.{body}`` with HMAC-SHA256. The id is the same for all attempts of an execution,
the timestamp is the attempt's. While a secret is being rotated, both are given and both signatures are sent,
separated by a space, so that a receiver may know either.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"


def signing_key(value: str) -> bytes:
    """The key within a secret's text: base64, with or without ``whsec_`` in front. Raises ValueError."""
    try:
        key = base64.b64decode(value.strip().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64") from None
    if not key:
        raise ValueError("empty")
    return key


def signature_headers(keys: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers. ``timestamp`` counts seconds since 1970; ``message_id`` may not hold a full stop,
    which the specification uses to separate, so one is replaced by ``-``."""
    message_id = message_id.replace(".", "-")
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
