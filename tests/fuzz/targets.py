"""Targets: each takes bytes that nobody would send, and fails if what must hold of every input does not.

What must hold is more than that nothing is raised: the bytes mean the same however they are split over packets, what
comes out has no control byte, and what is written and read again is the same.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from random import Random

from msgspec import structs

from gchat.admin import request_body, request_head
from gchat.admin.responses import Problem
from gchat.dialects import plain, proxy_header, rich, rich_json, slash
from gchat.dialects.dialect import Decoder, LateHello
from gchat.dialects.lines import LineDecoder
from gchat.dialects.proxy_header import ProxyHeader
from gchat.dialects.sniff import MORE, Foreign, sniff
from gchat.dialects.telnet import Telnet
from gchat.hooks import bodies
from gchat.hooks.fitting import fitting
from gchat.model import commands
from gchat.model.audience import Where
from gchat.model.errors import LineEndless, LineTooLong, Refusal
from gchat.model.events import Refused
from gchat.model.hello import Hello
from gchat.model.messages import Acted, Record, Said, TopicSet
from gchat.model.text import MAX_LINES, printable, printable_text
from gchat.server.config import ConfigError, dump, load
from tests.fuzz.files import as_file

#: The longest input. Every limit is far below its own: they have tests of their own, and here they come soon.
MAX_BYTES = 256
MAX_LINE_BYTES = 80
MAX_CHUNKED_BYTES = 60

#: Whatever a terminal would act on; LF ends a line.
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")


def most_bytes(target: str) -> int:
    """Return the length of the longest input for a target. Of JSON that is cut little is seen."""
    return 4096 if target == "hooked" else MAX_BYTES


def packets(data: bytes) -> Iterator[list[bytes]]:
    """Yield `data` split: byte by byte, in two, and twice at random; the same each time for the same data."""
    yield [data[at : at + 1] for at in range(len(data))]
    if len(data) > 1:
        yield [data[: len(data) // 2], data[len(data) // 2 :]]
    random = Random(zlib.crc32(data))  # no secret
    for most in (5, 40):
        found, at = [], 0
        while at < len(data):
            size = random.randint(1, most)
            found.append(data[at : at + size])
            at += size
        yield found


def fit_to_be_shown(data: bytes) -> None:
    """Fail if these bytes could do anything to a terminal, or are not text."""
    data.decode()
    assert not _CONTROL.search(data), data


# --- Lines -----------------------------------------------------------------------------------------------------------


def framing(data: bytes) -> None:
    """Lines are the same however they are split, have no line end in them, and are no longer than they may be."""
    for typed in (False, True):
        whole = _lines([data], typed=typed)
        for split in packets(data):
            assert _lines(split, typed=typed) == whole
        for line in whole[0]:
            assert line is None or (b"\n" not in line and len(line) <= MAX_LINE_BYTES)


def _lines(split: Sequence[bytes], *, typed: bool) -> tuple[list[bytes | None], bytes, bytes]:
    """Return the lines, None in the place of one that is too long, the rest, and what telnet is answered."""
    decoder, found, replies = LineDecoder(MAX_LINE_BYTES, typed=typed), list[bytes | None](), b""
    for packet in split:
        decoder.feed(packet)
        replies += decoder.replies()
        while decoder.waiting:
            try:
                found += decoder.take(3)
            except LineTooLong:
                found.append(None)
            except LineEndless:
                return found, b"", replies
    return found, decoder.rest, replies


def telnet(data: bytes) -> None:
    """Text and answers are the same however they are split; each option is answered once for each direction."""
    whole = _filtered([data])
    for split in packets(data):
        assert _filtered(split) == whole
    text, replies = whole
    assert len(text) <= len(data)
    assert len(replies) % 3 == 0
    answers = [replies[at : at + 3] for at in range(0, len(replies), 3)]
    assert all(answer[0] == 255 and 251 <= answer[1] <= 254 for answer in answers)
    once = [answer for answer in answers if answer[2] != 6]  # TIMING-MARK is answered each time
    assert len(once) == len(set(once))
    if b"\xff" not in data:
        assert whole == (data, b"")


def _filtered(split: Sequence[bytes]) -> tuple[bytes, bytes]:
    filter_ = Telnet(b"", typed=True)
    text = b"".join(filter_.filter(packet) for packet in split)
    return text, filter_.replies


# --- Dialects --------------------------------------------------------------------------------------------------------


def plain_commands(data: bytes) -> None:
    """A user of the plain dialect asks the same however it is split; what is said is then fit to be shown."""
    whole = _asked(plain.decoder(MAX_LINE_BYTES), [data])
    for split in packets(data):
        assert _asked(plain.decoder(MAX_LINE_BYTES), split) == whole
    for command in whole[0]:
        if isinstance(command, commands.Say):
            fit_to_be_shown(plain.encode(Said("alice", command.texts)))


def rich_requests(data: bytes) -> None:
    """The same for the rich dialect; and a request, an event and a hello that are written are read as the same."""
    whole = _asked(rich.decoder(MAX_LINE_BYTES), [data])
    for split in packets(data):
        assert _asked(rich.decoder(MAX_LINE_BYTES), split) == whole
    for command in whole[0]:
        if isinstance(command, commands.Say):
            fit_to_be_shown(rich.encode(Record(1, 0.0, Said("alice", command.texts)), Where("lobby")))
    for line in data.split(b"\n"):
        try:
            request = rich_json.request(line)
        except ValueError as error:
            fit_to_be_shown(printable(str(error)).encode())
        else:
            assert rich_json.request(rich_json.lines([request]).rstrip(b"\n")) == request
    _hello(data)


def _hello(data: bytes) -> None:
    try:
        hello, rest = rich.hello(b"GCHAT/1 " + data + b"\n")
    except Refusal as refusal:
        fit_to_be_shown(printable(str(refusal)).encode())
        return
    assert isinstance(hello, Hello)
    again, nothing = rich.hello(rich_json.hello_line(hello))
    assert (again, nothing) == (hello, b"")
    assert rest == (data + b"\n").partition(b"\n")[2]


def _asked(decoder: Decoder, split: Sequence[bytes]) -> tuple[list[object], object, bytes]:
    """Return what a peer asks, one text to a Say; how it ended; and what its program is answered.

    A decoder that knows that the peer speaks something else hears no more; of a late hello, the rich dialect does.
    """
    asked, replies, left = list[object](), b"", list(split)
    while left and not isinstance(decoder.outcome, Foreign | LateHello):
        _take(decoder, asked, left.pop(0))
        replies, decoder.replies = replies + decoder.replies, b""
    if not isinstance(decoder.outcome, Foreign | LateHello):
        decoder.end()
        _take(decoder, asked)
    outcome = decoder.outcome
    if isinstance(outcome, LateHello):
        hello, _, rest = (outcome.heard + b"".join(left)).partition(b"\n")
        if {*b"\r\xff"} & {*b"".join(split)}:  # ends of lines and commands that stand in no line of the rich dialect
            return asked, hello, b""
        return asked, (hello, _asked(rich.decoder(MAX_LINE_BYTES), [rest])[0]), b""
    return asked, outcome, b"" if outcome else replies  # nothing is negotiated with a program that leaves


def _take(decoder: Decoder, asked: list[object], data: bytes = b"") -> None:
    is_waiting = True
    while is_waiting:
        try:
            _, found = decoder.take(3, data)
        except LineTooLong as error:
            asked.append(error.message)
        except LineEndless:
            return
        else:
            for command in found:
                asked += _one_by_one(command)
        is_waiting, data = decoder.waiting, b""


def _one_by_one(command: commands.Command) -> list[object]:
    """Return a command in parts that can be compared: those of one read may come together or one by one."""
    if isinstance(command, commands.Mistake):
        return [(command.refusal.code, command.refusal.message, command.id)]
    if not isinstance(command, commands.Say):
        return [command]
    ids = command.ids or ("",) * len(command.texts)
    return [commands.Say((text,), (id_,), command.room) for text, id_ in zip(command.texts, ids, strict=True)]


def slashes(data: bytes) -> None:
    """A line asks the same alone and among others; what is no command is said as it is, and // says /."""
    lines = [line for line in data.split(b"\n") if b"GCHAT/" not in line.upper()]
    alone = [part for line in lines for command in _typed([line]) for part in _one_by_one(command)]
    assert [part for command in _typed(lines) for part in _one_by_one(command)] == alone
    for line in lines:
        text = line.decode("utf-8", "replace")
        match slash.parse(text):
            case commands.Say(texts=(said,)):
                assert said == text or (said[0] in "/／" and said in text)
            case commands.Mistake(refusal=refusal):
                fit_to_be_shown(plain.encode(Refused(refusal.code, refusal.message)))


def _typed(lines: Sequence[bytes]) -> list[commands.Command]:
    """Return what lines ask behind the first of a stream."""
    return plain.decoder(MAX_LINE_BYTES)._decode(b"".join(line + b"\n" for line in lines))[1] if lines else []


def sniffed(data: bytes) -> None:
    """What a stream is taken for never changes with more of it; and a verdict comes at the end."""
    verdict: object = MORE
    for end in range(len(data) + 1):
        found = sniff(data[:end])
        assert verdict is MORE or found == verdict, data[:end]
        verdict = found
    assert sniff(data, ended=True) is not MORE


def shown(data: bytes) -> None:
    """Nothing that a user sends can do anything to a terminal, in any dialect; what is printable stays as it is."""
    text = data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")
    once = printable(text)
    assert "\n" not in once
    assert printable(once) == once
    for message in (Said("alice", (text,)), Acted("alice", text), TopicSet("alice", text), Said(once, ("a", text))):
        fit_to_be_shown(plain.encode(message))
        line = rich.encode(Record(1, 0.0, message), Where("lobby"))
        fit_to_be_shown(line)
        for event in line.splitlines():
            rich_json.event(event)
    assert plain.encode(Said("alice", (text,))).count(b"\n") == text.count("\n") + 1
    assert printable_text(printable_text(text)) == printable_text(text)


# --- Around the chat -------------------------------------------------------------------------------------------------


def heads(data: bytes) -> None:
    """The head of a request is refused, or a value without a control character that is read as itself again."""
    lines = [line + b"\r\n" for line in data.removesuffix(b"\r\n").split(b"\r\n")]
    try:
        head = request_head.parse(lines)
    except Problem as problem:
        fit_to_be_shown(problem.detail.encode())
        return
    assert 0 <= (head.body_bytes or 0) <= head.most_body_bytes
    target = f"{head.path}?{head.query}" if head.query else head.path
    again = [f"{head.method} {target} {head.version}\r\n".encode()]
    for name, value in head.fields.items():
        assert name == name.lower()
        assert not re.search("[\x00-\x08\n-\x1f\x7f]", value)
        again.append(f"{name}: {value}\r\n".encode("latin-1"))
    fields = {name: value.strip(" \t") for name, value in head.fields.items()}  # of several, some may be empty
    assert request_head.parse(again) == structs.replace(head, fields=fields)


def chunked(data: bytes) -> None:
    """A body in chunks is refused, or means the same to parsers that are lenient, each in its way: nothing is hidden.

    It does not end before its last byte, and what comes behind changes nothing.
    """
    found = _unchunked(data)
    if found is None:
        return
    content, end = found
    for line_end in (b"\n", b"\r\n"):
        assert _leniently(data, line_end) == found
    for cut in range(end):
        assert _unchunked(data[:cut]) is None
    assert _unchunked(data[:end] + b"\r\n0\r\n\r\n") == found
    assert len(content) <= MAX_CHUNKED_BYTES


def _unchunked(data: bytes) -> tuple[bytes, int] | None:
    """Return the content of a body in chunks, and where the body ends; None: it is refused."""
    file = io.BufferedReader(io.BytesIO(data))
    try:
        return b"".join(request_body.chunks(file, MAX_CHUNKED_BYTES, int)), file.tell()
    except Problem as problem:
        fit_to_be_shown(problem.detail.encode())
        return None


def _leniently(data: bytes, line_end: bytes) -> tuple[bytes, int]:
    """Return what a parser makes of it that looks at the first digits of a line, and at nothing else in it."""
    content, at, is_last = b"", 0, False
    while True:
        end = data.index(line_end, at) + len(line_end)
        line, at = data[at:end], end
        if is_last:
            if not line.strip(b"\r\n"):
                return content, at
            continue
        digits = re.match(rb"[ \t]*(?:0[xX])?([0-9A-Fa-f]*)", line)
        size = int(digits[1] or b"0", 16) if digits else 0
        is_last = not size
        if size:
            content, at = content + data[at : at + size], at + size + 2


def configuration(data: bytes) -> None:
    """A configuration is refused in one line that can be shown, or printed and read as itself again."""
    try:
        with as_file(data) as path:
            config = load(path, {}, {})
    except ConfigError as error:
        said = printable(str(error))
        fit_to_be_shown(said.encode())
        assert said
        return
    with as_file(dump(config).encode()) as path:
        assert load(path, {}, {}) == config


def proxied(data: bytes) -> None:
    """A header of a proxy is refused, or complete with its last byte, whatever follows, and never changes with more."""
    found: object = None
    for end in range(len(data) + 1):
        try:
            header: object = proxy_header.parse(data[:end])
        except proxy_header.MalformedHeader as error:
            fit_to_be_shown(str(error).encode())
            header = str(error)
        assert found is None or found == header, data[:end]
        if found is None and isinstance(header, ProxyHeader):
            assert header.size == end
            assert not header.host or str(ip_address(header.host)) == header.host
            assert 0 <= header.port <= 65535
        found = header
    assert len(data) < proxy_header.MAX_HEADER_BYTES or found


def hooked(data: bytes) -> None:
    """A body is refused in words that can be shown, or a message that fits, and is fit to be shown."""
    for kind, event in ((bodies.JSON, ""), (bodies.FORM, ""), ("", ""), (bodies.JSON, "push"), (bodies.JSON, "issues")):
        posted = bodies.Posted(data, kind, event, title=data[:40].decode("latin-1"))
        for read in (bodies.heard, bodies.spoken):
            try:
                message = read(posted)
            except bodies.BadBody as error:
                fit_to_be_shown(printable(str(error)).encode())
                continue
            if message is not None:
                text = fitting(message.text, 8192)
                assert len(text.encode()) <= 8192
                assert text.count("\n") < MAX_LINES
                fit_to_be_shown(plain.encode(Said(printable(message.name), (text,))))


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        framing,
        telnet,
        plain_commands,
        rich_requests,
        slashes,
        sniffed,
        shown,
        heads,
        chunked,
        configuration,
        proxied,
        hooked,
    )
}
