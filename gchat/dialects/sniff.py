"""Foreign protocols: programs that connect here by mistake, or because a web page told a browser to (threats.md T26).

What they send is not chat, and it may hold a password. So a connection that opens with what only programs of another
protocol say is answered in that protocol's own words where one line does it, and closed; nothing of it is relayed.

Rules:
1. Only the start of a stream is judged: after a first line of chat everything is chat. People talk about protocols.
2. Ordinary words need more than themselves to be taken for a protocol: a first line may well be "GET some sleep".
3. Binary protocols send no line, so they are known by their first bytes. Nothing else waits for more than the first
   line that is not blank, or MAX_START_BYTES.
4. The hello of the rich dialect is none of these; where it is not the first line, the plain dialect refuses it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, Literal

from msgspec import Struct

from gchat.dialects.lines import after_bom
from gchat.dialects.rich_json import ANY_HELLO

#: How the hello of each dialect begins that has one, and the name of the dialect.
HELLOS = {ANY_HELLO: "rich"}

#: A first line that is longer is judged by so many bytes of it.
MAX_START_BYTES = 512

#: What foreign programs are told, in their own words.
THIS_IS = "This is a gchat server. Connect with gchat-client, nc or telnet"


class Foreign(Struct, frozen=True):
    """A protocol that is not chat: its name, for the log and the counter, and an answer in its own words."""

    name: str
    answer: bytes = b""


class Undecided(Enum):
    """The verdict that there is none yet."""

    MORE = "more bytes are needed"


MORE: Final = Undecided.MORE

Verdict = Foreign | Literal[Undecided.MORE] | None


def greets_in(start: bytes) -> str:
    """Return the name of the dialect whose hello a stream starts with; "" if it is none."""
    start = after_bom(start)
    return next((name for hello, name in HELLOS.items() if start.startswith(hello)), "")


def sniff(start: bytes, *, ended: bool = False) -> Verdict:
    """Return the protocol of a stream that starts so; None for chat; MORE if that cannot be told yet.

    `start` is all that was received so far. `ended` says that no more will come: then the verdict is never MORE.
    """
    start = after_bom(start)
    if start.startswith(b"\xff"):
        return None  # telnet
    text = _BLANK.sub(b"", start, count=1)
    for protocol, pattern, unfinished in _BINARY:
        if pattern.match(text):
            return protocol
        if unfinished.fullmatch(text) and not ended:
            return MORE
    line, *more = _LINE_END.split(text[:MAX_START_BYTES], maxsplit=1)
    if not (more or ended or len(start) >= MAX_START_BYTES):
        return MORE if not line or _MAY_BE_FOREIGN.match(line) else None
    return next((protocol for protocol, pattern in _TEXT if pattern.fullmatch(line)), None)


# --- How they begin --------------------------------------------------------------------------------------------------

# Blank lines, each with the NUL that telnet may send behind a CR.
_BLANK = re.compile(rb"(?:\r\0|\s)*+")
_LINE_END = re.compile(rb"[\r\n]")

# The first characters of all that is known below only by more of them.
_MAY_BE_FOREIGN = re.compile(rb"[A-Za-z0-9.:@<*]")

_NEVER = rb"(?!)"


def _http() -> bytes:
    body = f"{THIS_IS}.\nThe admin page, if it is enabled, has another address: the server prints it when it starts.\n"
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"{head}\r\n\r\n{body}".encode()


def _postgresql() -> bytes:
    fields = f"SFATAL\0VFATAL\0C08P01\0M{THIS_IS}\0\0".encode()
    return b"E" + (4 + len(fields)).to_bytes(4, "big") + fields


def _xmpp() -> bytes:
    streams = "urn:ietf:params:xml:ns:xmpp-streams"
    return (
        "<?xml version='1.0'?><stream:stream xmlns='jabber:client' version='1.0'"
        " xmlns:stream='http://etherx.jabber.org/streams'>"
        f"<stream:error><undefined-condition xmlns='{streams}'/><text xmlns='{streams}'>{THIS_IS}</text></stream:error>"
        "</stream:stream>\n"
    ).encode()


def _line(before: str, after: str = "\r\n") -> bytes:
    return f"{before}{THIS_IS}{after}".encode()


_GIT_ERROR = f"ERR {THIS_IS}"

# A control character that no key of a line editor sends; then, within two bytes, a NUL: nobody types that.
_CONTROL = rb"[\x01-\x07\x0e-\x14\x16-\x1a\x1c-\x1f]"

# The first byte of a length in four bytes, the lowest first: any but those with which users begin who send key by key,
# and whose streams are chat at once: a goodbye, a command, a letter that is not ASCII.
_LENGTH = rb"[^-/!\x08\r\n\xc0-\xff]"

# Each with what it begins like, and the beginnings of that which need more bytes.
_BINARY = [
    (protocol, re.compile(rb"(?s)" + pattern), re.compile(rb"(?s)" + unfinished))
    for protocol, pattern, unfinished in (
        (
            Foreign("TLS", b"\x15\x03\x01\x00\x02\x02\x28"),
            rb"\x16\x03[\x00-\x04]|[\x80-\xbf].\x01\x03",
            rb"\x16\x03?|[\x80-\xbf](?:.\x01?)?",
        ),
        (
            Foreign("PROXY", _line("> ", "\n")),
            rb"\x00\r\nQUIT\n",
            rb"\x00(?:\r(?:\n(?:Q(?:U(?:IT?)?)?)?)?)?",
        ),
        (Foreign("PostgreSQL", _postgresql()), rb"\x00\x00..(?:\x04\xd2\x16.|\x00\x03\x00.)", rb"\x00\x00.{0,5}"),
        (
            Foreign("MQTT", b"\x20\x02\x00\x01"),
            rb"\x10[\x80-\xff]{0,3}[\x00-\x09\x0b-\x7f]\x00[\x04\x06]MQ",
            rb"\x10[\x80-\xff]{0,3}(?:[\x00-\x09\x0b-\x7f](?:\x00(?:[\x04\x06]M?)?)?)?",
        ),
        (Foreign("SOCKS4", b"\x00\x5b" + bytes(6)), rb"\x04[\x01\x02].{6}", rb"\x04(?:[\x01\x02].{0,5})?"),
        (
            Foreign("SOCKS5", b"\x05\xff"),
            rb"\x05(?:\x01[\x00-\x02]|[\x02-\x08][\x00-\x03\x80-\xff]{2})",
            rb"\x05(?:\x01|[\x02-\x08].?)?",
        ),
        (Foreign("RDP"), rb"\x03\x00\x00", rb"\x03(?:\x00)?"),
        (
            Foreign("LDAP"),
            rb"0(?:[\x05-\x7f]|\x81.|\x82..|\x84....)\x02\x01.[\x60\x63\x77]",
            rb"0(?:[\x0c\x0e-\x1f].{0,3}|\x84.{0,7})",
        ),
        (Foreign("memcached"), rb"\x80[\x00-\x2f]\x00", _NEVER),
        (Foreign("X11"), rb"l\x00\x0b\x00|B\x00\x00\x0b", _NEVER),
        (Foreign("BitTorrent"), rb"\x13Bit", rb"\x13(?:Bi?)?"),
        (Foreign("AMQP"), rb"AMQP[\x00-\x03]", _NEVER),
        (Foreign("XMPP", _xmpp()), rb"<\?xml version=|<stream:stream[ >]", _NEVER),
        (Foreign("a policy request"), rb"<policy-file-request/>", _NEVER),
        (
            Foreign("Git", f"{len(_GIT_ERROR) + 4:04x}{_GIT_ERROR}".encode()),
            rb"[0-9a-f]{4}git-(?:upload|receive)-(?:pack|archive) ",
            _NEVER,
        ),
        (Foreign("Redis", _line("-ERR ")), rb"\*\d{1,6}\r\n\$\d", rb"\*\d{1,6}\r(?:\n\$?)?"),
        (
            Foreign("a binary protocol"),
            rb"\x00|" + _CONTROL + rb"[^\r\n]?\x00|" + _LENGTH + rb"[^\r\n]\x00\x00|[A-Z]{2,8}[\x00-\x03]",
            _CONTROL + rb"[^\r\n]?|" + _LENGTH + rb"(?:[^\r\n]\x00?)?",
        ),
    )
]

_IMAP_TAG = rb"(?:[A-Za-z]{0,8}\d+|[A-Za-z.])"

_IRC = Foreign("IRC", _line("ERROR :"))
_REDIS = Foreign("Redis", _line("-ERR "))
_HTTP = Foreign("HTTP", _http())
_SMTP = Foreign("SMTP", _line("554 "))

# Each with its whole first line.
_TEXT = [
    (protocol, re.compile(pattern))
    for protocol, pattern in (
        (Foreign("RTSP", _line("RTSP/1.0 400 ", "\r\n\r\n")), rb"[A-Z_]+ \S+ RTSP/\d\.\d"),
        (Foreign("SIP", _line("SIP/2.0 400 ", "\r\n\r\n")), rb"[A-Z]+ \S+ SIP/\d\.\d"),
        (_HTTP, rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) /\S*"),
        (_HTTP, rb"[A-Z][A-Z-]+ \S+ HTTP/\d.*"),
        (_HTTP, rb"(?i:Host): *(?:\S*[.:]\S*|localhost)|(?i:Content-Length): *\d+"),
        (_HTTP, rb"(?i:User-Agent): *\S+|(?i:Content-Type): *\S+/\S+.*"),
        (_IRC, rb"(?:@\S+ )?(?::\S+ )?CAP (?:LS|LIST|END|REQ :?\S.*|LS \d+)"),
        (_IRC, rb"(?:@\S+ )?(?::\S+ )?NICK :?[^\s:!@*.,?#$&]{1,40}(?: \d+)?"),
        (_IRC, rb'USER \S+ (?:\d+|\*|"\S*") \S+ .+|USER \S+ \S+ \S+ :.*'),
        (_IRC, rb"PASS (?:\S+|:.*|\S+ TS \d.*)"),
        (_IRC, rb"AUTHENTICATE \S+|WEBIRC \S+ \S+ \S+ \S+.*|SERVER \S+ \d+ .*:.*"),
        (_IRC, rb"(?:@\S+ )?(?::\S+ )?(?:JOIN [#&]\S+(?: \S+)?|(?:PRIVMSG|NOTICE) \S+ :.*|OPER \S+ \S+)"),
        (_REDIS, rb"AUTH \S+(?: \S+)?|HELLO [23](?: AUTH \S+ \S+)?(?: SETNAME \S+)?"),
        (Foreign("NATS", _line("-ERR '", "'\r\n")), rb"CONNECT \{.*"),
        (Foreign("STOMP", _line("ERROR\nmessage:", "\n\n\0")), rb"CONNECT|STOMP"),
        (Foreign("memcached", _line("SERVER_ERROR ")), rb"(?:set|add|replace|append|prepend|cas) \S+ \d+ -?\d+ \d+.*"),
        (_SMTP, rb"(?:EHLO|LHLO) \S*|HELO (?:\S*[.\d[]\S*|localhost)|(?i:MAIL FROM|RCPT TO): ?<.*"),
        (Foreign("POP3", _line("-ERR ")), rb"USER \S+|APOP \S+ [0-9a-f]{32}"),
        (
            Foreign("IMAP", _line("* BYE ")),
            _IMAP_TAG
            + rb' (?:CAPABILITY|STARTTLS|NOOP|LOGOUT|AUTHENTICATE \S+.*|(?i:LOGIN) "[^"]*" \S+|LOGIN \S+ \S+)',
        ),
        (Foreign("SSH", _line("")), rb"SSH-\d.*"),
        (Foreign("VNC"), rb"RFB \d{3}\.\d{3}"),
        (Foreign("rsync", _line("@ERROR: ", "\n")), rb"@RSYNCD: \d.*"),
        (Foreign("PROXY", _line("> ", "\n")), rb"PROXY (?:TCP4|TCP6|UNKNOWN)(?: .*)?"),
    )
]
