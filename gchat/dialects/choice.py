"""The dialects there are, and which of them a peer speaks."""

from __future__ import annotations

from gchat.dialects import plain, rich
from gchat.dialects.dialect import Dialect
from gchat.dialects.sniff import greets_in

DIALECTS: dict[str, Dialect] = {dialect.traits.name: dialect for dialect in (plain, rich)}


def spoken(start: bytes) -> Dialect:
    """Return the dialect of a stream that starts so, and is not foreign: without a hello it is the plain one."""
    return DIALECTS[greets_in(start) or plain.traits.name]
