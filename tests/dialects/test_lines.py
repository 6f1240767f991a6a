"""Framing: the same lines however the bytes are split, nothing unbounded, and telnet taken out."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gchat.dialects.lines import MAX_DISCARDED_BYTES, LineDecoder, after_bom, edited
from gchat.model.errors import LineEndless, LineTooLong

LIMIT = 8192

#: What stands in the place of a line that is too long.
REFUSED = None

Outcome = list[bytes | None]


def heard(decoder: LineDecoder, packets: Iterable[bytes], at_once: int = 512) -> Outcome:
    """Return the lines of `packets`, taken as the shell does."""
    outcome: Outcome = []
    for packet in packets:
        data, lines = packet, b""
        while data or lines:
            try:
                lines = decoder.block(at_once, data)
            except LineTooLong:
                outcome.append(REFUSED)
                lines = b"any"
            else:
                assert lines.count(b"\n") <= at_once
                outcome += lines.split(b"\n")[:-1]
            data = b""
    return outcome


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Yield `data` whole, one byte at a time, and split in two at each point."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))


# What is the same in both kinds of stream.
SAMPLES = [
    (b"hello\n", [b"hello"], b""),
    (b"one\ntwo\n\nthree\n", [b"one", b"two", b"", b"three"], b""),
    (b"no end", [], b"no end"),
    (b"-1", [], b"-1"),
    (b"a\r\nb\r\n", [b"a", b"b"], b""),
    (b"a\r\n\r\n", [b"a", b""], b""),
    (b"\r\n", [b""], b""),
    (b"a\r", [], b"a"),
    (b"\n\n\n", [b"", b"", b""], b""),
    (b"a\0b\n", [b"a\0b"], b""),
    (b"\0\n", [b"\0"], b""),
    # What str.splitlines would take for ends of lines stands in the line.
    (b"a\x0bb\x0cc\x1cd\x1de\x1ef\n", [b"a\x0bb\x0cc\x1cd\x1de\x1ef"], b""),
    ("a\u0085b\u2028c\u2029d\n".encode(), ["a\u0085b\u2028c\u2029d".encode()], b""),
    ("für 😀 dich\n".encode(), ["für 😀 dich".encode()], b""),
    (b"bad \xc3\x28 \xfe\n", [b"bad \xc3\x28 \xfe"], b""),
    # One BOM at the start of the stream is dropped, and no other.
    (b"\xef\xbb\xbf/nick bob\n", [b"/nick bob"], b""),
    (b"\xef\xbb\xbf\xef\xbb\xbfa\n", [b"\xef\xbb\xbfa"], b""),
    (b"\xef\xbb\xbf\n\xef\xbb\xbfa\n", [b"", b"\xef\xbb\xbfa"], b""),
    (b"a\xef\xbb\xbfb\n", [b"a\xef\xbb\xbfb"], b""),
    (b"\xef\xbb\xbf", [], b""),
    (b"\xef\xbb", [], b"\xef\xbb"),
    (b"\xef\xbba\n", [b"\xef\xbba"], b""),
    (b"\xff\xfd\x03\xef\xbb\xbfa\n", [b"a"], b""),
    # Telnet's commands are taken out, wherever they stand.
    (b"he\xff\xf4\xff\xfd\x06llo\n", [b"hello"], b""),
    (b"he\xff\xed\xff\xfd\x06llo\n", [b"hello"], b""),
    (b"\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1fhi\r\n", [b"hi"], b""),
    (b"a\xff\xffb\n", [b"a\xffb"], b""),
    (b"a\xff\xff\xff\xf1\xff\xffb\n", [b"a\xff\xffb"], b""),
    (b"a\xff\xf1b\n", [b"ab"], b""),
    (b"a\xff\xfa\x18\x00VT220\xff\xf0b\n", [b"ab"], b""),
    (b"a\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0b\n", [b"ab"], b""),
    (b"a\xff\xfa\n\n\xff\xf0b\n", [b"ab"], b""),
    (b"a\r\xff\xf1\nb\n", [b"a", b"b"], b""),
    (b"a\xff", [], b"a"),
    # What follows an IAC and is no command stays: somebody's text has that byte in it, and its line may end there.
    (b"a\xffb\n", [b"a\xffb"], b""),
    (b"a\xff\nb\n", [b"a\xff", b"b"], b""),
    (b"a\xff\r\nb\n", [b"a\xff", b"b"], b""),
    # Inside a letter a command is the byte that telnet took for a control key.
    (b"\xd1\xff\xf4\xff\xfd\x06\xd1\x82\xd1\x80\xd0\xbe\r\n", ["утро".encode()], b""),
    (b"\xe6\xff\xf3\xff\xfd\x06\xac\r\n", ["本".encode()], b""),
    (b"\xe6\xff\xf4\xff\xfd\x06\x85\xe5\xa0\xb1\r\n", ["情報".encode()], b""),
    (b"\xd1\xff\xf5\xff\xfd\x06\xd1\xff\xed\xff\xfd\x06\n", ["яњ".encode()], b""),
    (b"\xf0\x9f\xff\xf4\xff\xfd\x06\xff\xf5\xff\xfd\x06\n", [b"\xf0\x9f\x83\x8f"], b""),
    (b"\xd1\x83\xff\xf4\xff\xfd\x06x\n", ["уx".encode()], b""),
]

TYPED_SAMPLES = [
    # CR, CR NUL, CR LF, LF and LF CR each end a line once.
    (b"a\rb\r", [b"a", b"b"], b""),
    (b"a\r\0b\r\0", [b"a", b"b"], b""),
    (b"a\n\rb\n\r", [b"a", b"b"], b""),
    (b"a\n\r\0b\n\r\0", [b"a", b"b"], b""),
    (b"a\r\r\n", [b"a", b""], b""),
    (b"a\n\r\nb\n", [b"a", b"", b"b"], b""),
    (b"a\r\n\rb\n", [b"a", b"", b"b"], b""),
    (b"a\n\n\rb\n", [b"a", b"", b"b"], b""),
    (b"a\r\0\nb\n", [b"a", b"", b"b"], b""),
    (b"a\r\0\0b\n", [b"a", b"\0b"], b""),
    (b"a\r\n\0b\n", [b"a", b"\0b"], b""),
    (b"a\n\0b\n", [b"a", b"\0b"], b""),
    (b"a\r\xff\xf1\0b\n", [b"a", b"b"], b""),
    (b"a\r-1", [b"a"], b"-1"),
    # BS and DEL delete a character, Ctrl+U all of the line before it.
    (b"helo\x08lo\n", [b"hello"], b""),
    (b"helo\x7flo\r", [b"hello"], b""),
    (b"/nick secret\x15hello\n", [b"hello"], b""),
    (b"one\n\x08\x08two\n", [b"one", b"two"], b""),
    (b"one\x15\n", [b""], b""),
    (b"one\x7f\x7f\x7f\x7f\x7ftwo\n", [b"two"], b""),
    (b"-2\x081", [], b"-1"),
    (b"hidden\x15", [], b""),
    ("né\x08e\n".encode(), [b"ne"], b""),
    ("本当\x7f\n".encode(), ["本".encode()], b""),
    ("x😀\x08\x08y\n".encode(), [b"y"], b""),
    ("ae\u0301\u0323\x7fb\n".encode(), [b"ab"], b""),
    ("a👩‍👩‍👧\x7fb\n".encode(), [b"ab"], b""),
    ("a👍🏽\x7fb❤️\x7f\n".encode(), [b"ab"], b""),
    (b"a\xc3\x7fb\xed\xa0\x80\n", [b"ab\xed\xa0\x80"], b""),
    (b"a\xff\xf7b\n", [b"b"], b""),  # telnet's Erase Character and Erase Line
    (b"abc\xff\xf8d\n", [b"d"], b""),
    # What users of other servers reported: Windows' telnet, an Enter key that two programs translated, a client that
    # sends Erase Character for Backspace, and Backspace on an empty line.
    (b";\x08look\r\n", [b"look"], b""),
    (b"hello\r\0\r\n", [b"hello", b""], b""),
    (b"hello\xff\xf7\xff\xf7p\r\0", [b"help"], b""),
    (b"\x7f\x7f\x7f\r\0hello\r\0", [b"", b"hello"], b""),
    (b"b\x08bo\x08ol\x08ld\x08d\n", [b"bold"], b""),  # what man writes for a bold word
]

UNTYPED_SAMPLES = [
    (b"a\rb\n", [b"a\rb"], b""),
    (b"a\r\r\n", [b"a\r"], b""),
    (b"a\n\rb\n", [b"a", b"\rb"], b""),
    (b"a\r\0b\n", [b"a\r\0b"], b""),
    (b"a\x08b\x7fc\x15d\n", [b"a\x08b\x7fc\x15d"], b""),
    (b"a\xff\xf7b\xff\xf8c\n", [b"abc"], b""),
]


@pytest.mark.parametrize(("data", "lines", "rest"), SAMPLES + UNTYPED_SAMPLES)
def test_a_sample_gives_the_same_lines_however_it_is_split(data: bytes, lines: list[bytes], rest: bytes) -> None:
    for packets in splits(data):
        decoder = LineDecoder(LIMIT)

        assert heard(decoder, packets) == lines, packets
        assert decoder.rest == rest, packets


@pytest.mark.parametrize(
    ("data", "lines", "rest"), [sample for sample in SAMPLES if sample[0] != b"a\r"] + TYPED_SAMPLES
)
def test_what_is_typed_gives_the_same_lines_however_it_is_split(data: bytes, lines: list[bytes], rest: bytes) -> None:
    for packets in splits(data):
        decoder = LineDecoder(LIMIT, typed=True)

        assert heard(decoder, packets) == lines, packets
        assert decoder.rest == rest, packets


def test_a_carriage_return_ends_a_typed_line_at_once() -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    assert heard(decoder, [b"hello\r"]) == [b"hello"]
    assert heard(decoder, [b"\n"]) == []
    assert heard(decoder, [b"\0", b"x\n"]) == [b"\0x"]


@pytest.mark.parametrize(
    ("packets", "at_once"),
    [
        ([b"-1"], True),
        ([b"hello\n-1"], True),
        ([b"hello", b"\r\n-1"], True),
        ([b"hello\r", b"\n-1"], True),
        ([b"hello\r\n", b"-1"], True),
        ([b"\xef\xbb\xbf", b"-1"], True),
        ([b"-1\xff", b"\xf1"], True),
        ([b"-", b"1"], False),
        ([b"hello\n-", b"1"], False),
        ([b"-1", b" "], False),
    ],
)
def test_it_is_known_whether_the_rest_came_at_once(packets: list[bytes], *, at_once: bool) -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    heard(decoder, packets)

    assert decoder.rest_at_once == at_once


@pytest.mark.parametrize(
    ("start", "after"),
    [
        (b"", b""),
        (b"\xef", b""),
        (b"\xef\xbb", b""),
        (b"\xef\xbb\xbf", b""),
        (b"\xef\xbb\xbfGCHAT/1", b"GCHAT/1"),
        (b"\xef\xbb\xbf\xef\xbb\xbf", b"\xef\xbb\xbf"),
        (b"\xefx", b"\xefx"),
        (b"GCHAT/1", b"GCHAT/1"),
    ],
)
def test_what_follows_a_bom_is_known_from_the_first_bytes(start: bytes, after: bytes) -> None:
    assert after_bom(start) == after


# --- Against a naive decoder of the whole ----------------------------------------------------------------------------

LETTERS = {0xEC: 0x84, 0xED: 0x9A, 0xEE: 0x9C, 0xF3: 0x9C, 0xF4: 0x83, 0xF5: 0x8F, 0xF6: 0x94, 0xF7: 0x88, 0xF8: 0x95}


def unfinished(text: bytes | bytearray) -> bool:
    """Return whether a UTF-8 sequence is begun at the end of `text`."""
    for length in (1, 2, 3):
        lead, *rest = text[-length:] or b"\0"
        if len(text) >= length and lead >= 0xC2:
            longest = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4 if lead <= 0xF4 else 0
            return length < longest and all(0x80 <= byte < 0xC0 for byte in rest)
    return False


def without_telnet(data: bytes, *, typed: bool) -> bytes:
    text = bytearray()
    at = 0
    while at < len(data):
        if data[at] != 0xFF:
            text.append(data[at])
            at += 1
            continue
        code = data[at + 1] if at + 1 < len(data) else None
        if code == 0xFF:
            text.append(0xFF)
            at += 2
        elif code == 0xFA:
            at += 2
            while at < len(data) and data[at : at + 2] != b"\xff\xf0":
                at += 2 if data[at] == 0xFF else 1
            at += 2
        elif code is None or code < 0xEC:
            text += data[at : at + 2] if code is not None else b""
            at += 2
        else:
            at += 3 if code >= 0xFB else 2
            if code in LETTERS and unfinished(text):
                text.append(LETTERS[code])
            elif typed and code in (0xF7, 0xF8):
                text.append(0x08 if code == 0xF7 else 0x15)
    return bytes(text)


def typed_lines(text: bytes) -> list[bytes]:
    """Split by reading one byte after the other, by the first rule at the top of gchat.dialects.lines."""
    lines, line, last = [], bytearray(), b""
    for byte in (text[at : at + 1] for at in range(len(text))):
        if last + byte in (b"\r\n", b"\r\0", b"\n\r\0"):
            last = b""
        elif last + byte == b"\n\r":
            last = b"\n\r"
        elif byte in (b"\r", b"\n"):
            lines.append(bytes(line))
            line.clear()
            last = byte
        else:
            line += byte
            last = b""
    return [*lines, bytes(line)]


def naive(data: bytes, limit: int, *, typed: bool) -> tuple[Outcome, bytes]:
    """Decode all of the stream at once, by the rules at the top of gchat.dialects.lines and telnet."""
    text = without_telnet(data, typed=typed)
    if text.startswith(b"\xef\xbb\xbf"):
        text = text[3:]
    *lines, rest = typed_lines(text) if typed else text.split(b"\n")
    outcome: Outcome = [*lines] if typed else [line.removesuffix(b"\r") for line in lines]
    rest = rest if typed else rest.removesuffix(b"\r")
    if len(rest) > limit:  # refused as soon as it is too long, without waiting for its end
        outcome, rest = [*outcome, rest], b""
    outcome = [REFUSED if line is not None and len(line) > limit else line for line in outcome]
    if typed:
        outcome, rest = [line if line is REFUSED else edited(line) for line in outcome], edited(rest)
    return outcome, rest


# Bytes that matter, more often than others.
BYTES = st.lists(
    st.one_of(
        st.sampled_from((b"\r", b"\n", b"\0", b"\r\n", b"\r\0", b"\n\r", b"a", b"hello world", "é😀".encode())),
        st.sampled_from((b"\x08", b"\x7f", b"\x15", b"\xef\xbb\xbf", b"\xd1", b"\xe6\x9c", "e\u0301\u200d".encode())),
        st.sampled_from(
            (b"\xff", b"\xff\xff", b"\xff\xfd\x06", b"\xff\xfb\x01", b"\xff\xfa\x18", b"\xff\xf0", b"\xf0", b"\xff\xf4")
        ),
        st.binary(max_size=5),
    ),
    max_size=25,
).map(b"".join)


def test_lines_are_taken_one_by_one_or_as_a_block() -> None:
    decoder = LineDecoder(LIMIT)
    decoder.feed(b"one\n\nthree\nfo")

    assert decoder.take(2) == [b"one", b""]
    assert decoder.block(2, b"") == b"three\n"
    assert decoder.block(2, b"ur\n") == b"four\n"
    assert decoder.take(2) == []


@settings(max_examples=800, deadline=None)
@given(data=BYTES, cuts=st.lists(st.integers(0, 200)), limit=st.integers(3, 30), at_once=st.integers(1, 5), typed=...)
@example(data=b"\r\0\0\n", cuts=[2], limit=30, at_once=1, typed=False)
@example(data=b"hello world\n\r\r\n", cuts=[], limit=3, at_once=2, typed=False)
@example(data=b"abc\r\0\0\n", cuts=[1, 2, 3, 4, 5, 6, 7], limit=4, at_once=1, typed=True)
def test_any_bytes_split_anywhere_give_what_a_naive_decoder_of_the_whole_gives(
    data: bytes, cuts: list[int], limit: int, at_once: int, typed: bool
) -> None:
    ends = [*sorted({cut for cut in cuts if cut < len(data)} | {0}), len(data)]
    decoder = LineDecoder(limit, typed=typed)

    outcome = heard(decoder, [data[start:end] for start, end in pairwise(ends)], at_once)

    expected, rest = naive(data, limit, typed=typed)
    assert outcome == expected
    assert decoder.rest == rest


# --- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("packet_bytes", [1, 1000, LIMIT - 1, LIMIT, LIMIT + 1, 65536])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_a_line_up_to_the_limit_is_heard(size: int, packet_bytes: int, end: bytes) -> None:
    data = b"x" * size + end + b"next\n"
    packets = [data[at : at + packet_bytes] for at in range(0, len(data), packet_bytes)]

    assert heard(LineDecoder(LIMIT), packets) == [b"x" * size, b"next"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("packet_bytes", [1, 1000, LIMIT - 1, LIMIT, LIMIT + 1, 65536])
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 2, 3 * LIMIT])
def test_a_line_over_the_limit_is_refused_once_and_the_next_is_heard(size: int, packet_bytes: int, end: bytes) -> None:
    data = b"before\n" + b"x" * size + end + b"next\n"
    packets = [data[at : at + packet_bytes] for at in range(0, len(data), packet_bytes)]

    assert heard(LineDecoder(LIMIT), packets) == [b"before", REFUSED, b"next"]


def test_a_line_too_long_is_refused_in_its_place_among_the_others() -> None:
    assert heard(LineDecoder(5), [b"one\ntoo long\ntwo\nmuch too long\n\nthree\n"]) == [
        b"one",
        REFUSED,
        b"two",
        REFUSED,
        b"",
        b"three",
    ]


def test_a_refusal_names_the_limit() -> None:
    decoder = LineDecoder(LIMIT)
    decoder.feed(b"x" * (LIMIT + 1))

    with pytest.raises(LineTooLong, match="longer than 8,192 bytes"):
        decoder.take(1)


def test_the_rest_of_a_line_that_is_too_long_is_no_line() -> None:
    decoder = LineDecoder(5)

    assert heard(decoder, [b"much too long", b"-1"]) == [REFUSED]
    assert decoder.rest == b""


def test_a_limit_that_was_raised_holds_for_the_next_line() -> None:
    decoder = LineDecoder(5)

    assert heard(decoder, [b"too long\n"]) == [REFUSED]
    decoder.max_line_bytes = 10
    assert heard(decoder, [b"not now\n"]) == [b"not now"]


@pytest.mark.parametrize("packet_bytes", [1000, 65536])
def test_a_peer_that_never_ends_its_line_is_not_talking_lines(packet_bytes: int) -> None:
    decoder = LineDecoder(LIMIT)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += packet_bytes
            yield b"x" * packet_bytes

    with pytest.raises(LineEndless):
        heard(decoder, endless())
    assert MAX_DISCARDED_BYTES < sent <= MAX_DISCARDED_BYTES + LIMIT + packet_bytes
    assert len(decoder._partial) <= 1


def test_while_bytes_are_discarded_no_more_than_a_line_is_held() -> None:
    decoder = LineDecoder(LIMIT)
    for _ in range(60):
        heard(decoder, [b"x" * 1000])

        assert len(decoder._partial) <= LIMIT


def test_a_hundred_thousand_newlines_in_one_packet_come_in_slices() -> None:
    decoder = LineDecoder(LIMIT)
    decoder.feed(b"\n" * 100_000)

    sizes = []
    while lines := decoder.take(512):
        sizes.append(len(lines))
    assert max(sizes) == 512
    assert sum(sizes) == 100_000


def test_short_lines_that_wait_take_no_more_memory_than_their_bytes() -> None:
    data = b"ab\n" * 5000
    decoder = LineDecoder(8192, typed=True)
    tracemalloc.start()
    decoder.feed(data)
    decoder.take(1)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert held < 2 * len(data)
    assert decoder.take(10_000) == [b"ab"] * 4999


def test_lines_around_one_that_is_too_long_wait_in_their_order() -> None:
    decoder = LineDecoder(16)
    decoder.feed(b"a\nb\n" + b"x" * 17 + b"\nc\n" + b"y" * 17 + b"\nd\ne")

    assert decoder.take(1) == [b"a"]
    assert decoder.take(10) == [b"b"]
    with pytest.raises(LineTooLong):
        decoder.take(10)
    assert decoder.take(10) == [b"c"]
    with pytest.raises(LineTooLong):
        decoder.take(10)
    assert decoder.untaken() == b"d\ne"
    assert decoder.take(10) == [b"d"]
    assert not decoder.take(10)
    assert decoder.rest == b"e"
