"""The first line of a server of another kind: how it is shown, and whether it may be a line chat's."""

from __future__ import annotations

import re

REQUIRES_TLS = "the server speaks only TLS on this port; use --tls"

#: So much of a server's first line is shown.
MAX_SHOWN = 120

# What the servers of other protocols say first: a status code (SMTP, FTP, NNTP), HTTP, SSH, POP3, IMAP, IRC and so on.
_NO_CHAT = re.compile(rb"\d{3}[ -]|HTTP/|SSH-|\+OK|\* OK|-ERR|-NOAUTH|:\S+ \S+ |ERROR :|RFB |@RSYNCD|AMQP|<\?xml|<!|\{")


def shown(line: bytes) -> str:
    """Return a peer's line fit for an error's message."""
    from gchat.model.text import printable  # noqa: PLC0415  # Unicode's tables: most links never need them

    text = printable(line.decode(errors="replace").strip().removeprefix("> "))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def is_tls_alert(data: bytes) -> bool:
    """Return whether a server that hears plain text says so in TLS, which it expects: an alert of TLS or SSL 3."""
    return data.startswith(b"\x15\x03")


def may_be_line_chat(line: bytes) -> bool:
    """Return whether a server that said `line`, and waits, may be a chat of lines: then a PlainLink is worth a try."""
    return not _NO_CHAT.match(line) and is_text(line)


def is_text(line: bytes) -> bool:
    """Return whether this is what people read."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return False
    return text.replace("\r", "").replace("\t", "").isprintable()
