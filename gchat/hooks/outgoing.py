"""What is posted of a room's messages to a URL, what an answer may say, and how long to pause after failures."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gchat.hooks.bodies import JSON, BadBody, Posted, heard
from gchat.hooks.message import HookMessage
from gchat.model.names import is_machine
from gchat.model.text import printable, printable_text

#: The pause after the first failure; each further one is twice as long, up to the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0

#: So often a message is tried, which takes about five minutes.
MAX_TRIES = 10

#: Statuses below 500 that may be others later.
_PASSING = {408, 425, 429}


class _PostedMessage(Struct, rename={"from_": "from"}):
    """A message as it is posted. Slack's names, text and username, are there too: another gchat's hook takes it."""

    type: str
    room: str
    seq: int
    from_: str
    username: str
    text: str


def body_of(kind: str, room: str, seq: int, name: str, text: str) -> bytes:
    """Return a message as JSON."""
    name = printable(name)
    return msgspec.json.encode(_PostedMessage(kind, room, seq, name, name, printable_text(text)))


def is_wanted(name: str, text: str, prefix: str) -> bool:
    """Return whether a message is posted: it begins with the prefix, and did not come over HTTP itself.

    Else a program that answers what it is posted would be posted its own answers, for ever.
    """
    return text.startswith(prefix) and not is_machine(name)


def answered(media_type: str, body: bytes) -> HookMessage | None:
    """Return what an answer says, as those of Slack's outgoing webhooks do; None if it says nothing."""
    if media_type != JSON:
        return None
    try:
        return heard(Posted(body, JSON))
    except BadBody:
        return None


def is_final(status: int) -> bool:
    """Return whether it is no use to try again."""
    return 300 <= status < 500 and status not in _PASSING


def pause_s(failures: int, retry_after: str = "") -> float:
    """Return how long to wait after so many failures in a row; a server may ask for more, up to LONGEST_PAUSE_S."""
    asked = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    return min(max(FIRST_PAUSE_S * float(1 << min(failures - 1, 10)), asked), LONGEST_PAUSE_S)
