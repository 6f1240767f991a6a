"""The dialects there are, and which of them a peer speaks."""

from __future__ import annotations

from gchat.dialects import plain, rich
from gchat.dialects.dialect import Dialect
from gchat.dialects.lines import after_bom
from gchat.dialects.rich_json import ANY_HELLO


def spoken(start: bytes) -> Dialect:
    """Return the dialect of a stream that starts so, and is not foreign: without any sign that is the plain one."""
    return rich if after_bom(start).startswith(ANY_HELLO) else plain
