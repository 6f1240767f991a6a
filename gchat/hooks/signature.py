"""Signatures of bodies, as GitHub makes them: "sha256=" and the HMAC of the bytes as they were sent."""

from __future__ import annotations

import hashlib
import hmac


def signature(secret: str, body: bytes) -> str:
    """Return the signature of a body."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def is_signed(secret: str, body: bytes, shown: str) -> bool:
    """Return whether `shown` is the signature of the body; how long that takes tells nothing."""
    return hmac.compare_digest(signature(secret, body).encode(), shown.strip().encode("utf-8", "replace"))
