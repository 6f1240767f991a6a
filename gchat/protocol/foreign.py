"""Foreign protocols: who knocks with something that is not chat, by mistake or to make a browser speak to us (T26).

A browser can be made to send a chat server a POST whose body is lines of chat. So whoever opens with what only
programs of another protocol say is closed, and nothing of it is relayed (as Redis does).
"""

from __future__ import annotations

import re

# The first line that is not blank. Ordinary words need more than themselves to be taken for a
# protocol: a person may well open with "GET some sleep".
_LATE = "a rich opening so late"
_TLS = re.compile(rb"\x16\x03[\x00-\x04]")
_OPENINGS = (
    ("HTTP", re.compile(rb"(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) (/\S*|\S+ HTTP/\d.*)$")),
    ("HTTP", re.compile(rb"(?i:Host|User-Agent|Content-Length|Content-Type): *\S+$")),
    ("TLS", _TLS),
    (_LATE, re.compile(rb"GCHAT/")),  # it has a secret in it, which must not be said to the room
    ("SSH", re.compile(rb"SSH-\d")),
    ("SMTP", re.compile(rb"(EHLO|HELO) \S*$")),
    ("a PROXY header", re.compile(rb"PROXY (TCP4|TCP6|UNKNOWN)\b|\x00$")),
)


def foreign_start(start: bytes) -> str | None:
    """Return which protocol it is whose first line begins like this; only TLS can be told before the line ends."""
    return "TLS" if _TLS.match(start) else None


def foreign(opening: bytes) -> str | None:
    """Return which protocol it is whose first line is `opening`, None for chat."""
    for name, pattern in _OPENINGS:
        if pattern.match(opening):
            return name
    return None


def farewell(what: str) -> str:
    """Return what is said to who speaks `what`."""
    if what == _LATE:
        return "That opening came too late; please connect again"
    return f"This is a chat room and does not speak {what}; try nc or telnet"
