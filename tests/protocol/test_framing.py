"""Framing: the same lines however the bytes are split, nothing unbounded, and telnet taken out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gchat.protocol.errors import LineEndless, LineTooLong
from gchat.protocol.framing import MAX_DISCARDED_BYTES, MAX_SUBNEGOTIATION_BYTES, LineDecoder

LIMIT = 8192

#: What stands in the place of a line that is too long.
REFUSED = None

Outcome = list[bytes | None]


def heard(decoder: LineDecoder, packets: Iterable[bytes], at_once: int = 512) -> Outcome:
    """Return the lines of `packets`, taken as the shell does."""
    outcome: Outcome = []
    for packet in packets:
        decoder.feed(packet)
        while True:
            try:
                lines = decoder.take(at_once)
            except LineTooLong:
                outcome.append(REFUSED)
                continue
            if not lines:
                break
            assert len(lines) <= at_once
            outcome += lines
    return outcome


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Yield `data` whole, one byte at a time, and split in two at each point."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    yield from ([data[:at], data[at:]] for at in range(1, len(data)))


SAMPLES = [
    (b"hello\n", [b"hello"], b""),
    (b"one\ntwo\n\nthree\n", [b"one", b"two", b"", b"three"], b""),
    (b"no end", [], b"no end"),
    (b"-1", [], b"-1"),
    # The orders of CR and LF: LF ends a line, one CR before it is dropped, and no other.
    (b"a\r\nb\r\n", [b"a", b"b"], b""),
    (b"a\rb\n", [b"a\rb"], b""),
    (b"a\r\r\n", [b"a\r"], b""),
    (b"a\n\rb\n", [b"a", b"\rb"], b""),
    (b"a\r\n\r\n", [b"a", b""], b""),
    (b"\r\n", [b""], b""),
    (b"a\r", [], b"a"),
    (b"\n\n\n", [b"", b"", b""], b""),
    # CR NUL is telnet's CR, and NUL alone a character like any other.
    (b"a\r\0b\n", [b"a\rb"], b""),
    (b"a\r\0\nb\n", [b"a", b"b"], b""),
    (b"a\0b\n", [b"a\0b"], b""),
    (b"a\r\0\0b\n", [b"a\r\0b"], b""),
    (b"\0\n", [b"\0"], b""),
    # Only LF: what str.splitlines would take for ends of lines stands in the line.
    (b"a\x0bb\x0cc\x1cd\x1de\x1ef\n", [b"a\x0bb\x0cc\x1cd\x1de\x1ef"], b""),
    ("a\u0085b\u2028c\u2029d\n".encode(), ["a\u0085b\u2028c\u2029d".encode()], b""),
    ("für 😀 dich\n".encode(), ["für 😀 dich".encode()], b""),
    (b"bad \xc3\x28 \xfe\n", [b"bad \xc3\x28 \xfe"], b""),
    # Telnet's commands are taken out, wherever they stand.
    (b"he\xff\xf4\xff\xfd\x06llo\n", [b"hello"], b""),
    (b"\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1fhi\r\n", [b"hi"], b""),
    (b"a\xff\xffb\n", [b"a\xffb"], b""),
    (b"a\xff\xf1b\n", [b"ab"], b""),
    (b"a\xff\xfa\x18\x00VT220\xff\xf0b\n", [b"ab"], b""),
    (b"a\xff\xfa\x1f\x00\xff\xff\x00\x18\xff\xf0b\n", [b"ab"], b""),
    (b"a\xff\xfa\n\n\xff\xf0b\n", [b"ab"], b""),
    (b"a\r\xff\xf1\nb\n", [b"a", b"b"], b""),
    (b"a\r\xff\xf1\0b\n", [b"a\rb"], b""),
    (b"a\xff", [], b"a"),
    # What follows an IAC and is no command stays: somebody's text has that byte in it, and its line may end there.
    (b"a\xffb\n", [b"a\xffb"], b""),
    (b"a\xff\nb\n", [b"a\xff", b"b"], b""),
    (b"a\xff\r\nb\n", [b"a\xff", b"b"], b""),
]


@pytest.mark.parametrize(("data", "lines", "rest"), SAMPLES)
def test_a_sample_gives_the_same_lines_however_it_is_split(data: bytes, lines: list[bytes], rest: bytes) -> None:
    for packets in splits(data):
        decoder = LineDecoder(LIMIT)

        assert heard(decoder, packets) == lines, packets
        assert decoder.rest == rest, packets


# --- Against a naive decoder of the whole ----------------------------------------------------------------------------


def naive(data: bytes, limit: int) -> tuple[Outcome, bytes]:
    """Decode all of the stream at once, by the rules at the top of gchat.protocol.framing."""
    text = bytearray()
    at = 0
    while at < len(data):
        if data[at] != 0xFF:
            text.append(data[at])
            at += 1
        elif data[at + 1 : at + 2] == b"\xff":
            text.append(0xFF)
            at += 2
        elif data[at + 1 : at + 2] == b"\xfa":
            at += 2
            while at < len(data) and data[at : at + 2] != b"\xff\xf0":
                at += 2 if data[at] == 0xFF else 1
            at += 2
        elif data[at + 1 : at + 2] < b"\xf0":  # no command
            text += data[at : at + 2] if data[at + 1 :] else b""
            at += 2
        else:
            at += 3 if data[at + 1 : at + 2] in (b"\xfb", b"\xfc", b"\xfd", b"\xfe") else 2
    *lines, rest = bytes(text).replace(b"\r\0", b"\r").split(b"\n")
    outcome: Outcome = [line.removesuffix(b"\r") for line in lines]
    outcome = [REFUSED if line is not None and len(line) > limit else line for line in outcome]
    return outcome, rest.removesuffix(b"\r")


# Bytes that matter, more often than others.
BYTES = st.lists(
    st.one_of(
        st.sampled_from((b"\r", b"\n", b"\0", b"\r\n", b"\r\0", b"a", b"hello world", "é😀".encode())),
        st.sampled_from(
            (b"\xff", b"\xff\xff", b"\xff\xfd\x06", b"\xff\xfb\x01", b"\xff\xfa\x18", b"\xff\xf0", b"\xf0")
        ),
        st.binary(max_size=5),
    ),
    max_size=25,
).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(data=BYTES, cuts=st.lists(st.integers(0, 200)), limit=st.integers(1, 30), at_once=st.integers(1, 5))
@example(data=b"\r\0\0\n", cuts=[2], limit=30, at_once=1)
@example(data=b"abc\r\0\0\n", cuts=[1, 2, 3, 4, 5, 6, 7], limit=4, at_once=1)
def test_any_bytes_split_anywhere_give_what_a_naive_decoder_of_the_whole_gives(
    data: bytes, cuts: list[int], limit: int, at_once: int
) -> None:
    ends = [*sorted({cut for cut in cuts if cut < len(data)} | {0}), len(data)]
    decoder = LineDecoder(limit)

    outcome = heard(decoder, [data[start:end] for start, end in pairwise(ends)], at_once)

    expected, rest = naive(data, limit)
    if len(rest) > limit:  # refused as soon as it is too long, without waiting for its end
        expected, rest = [*expected, REFUSED], b""
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


# --- Telnet ----------------------------------------------------------------------------------------------------------

PROPOSALS = [(bytes((0xFF, verb, option)), option) for verb in (0xFD, 0xFB) for option in (0, 1, 3, 31, 200, 255)]


@pytest.mark.parametrize(("proposal", "option"), PROPOSALS)
def test_what_telnet_proposes_is_refused_once_however_it_is_split(proposal: bytes, option: int) -> None:
    for packets in splits(b"a" + proposal + b"b" + proposal + b"\n"):
        decoder = LineDecoder(LIMIT)

        assert heard(decoder, packets) == [b"ab"]
        assert decoder.replies() == bytes((0xFF, 0xFC if proposal[1] == 0xFD else 0xFE, option))
        assert decoder.replies() == b""


@pytest.mark.parametrize(
    "command", [b"\xff\xfc\x01", b"\xff\xfe\x01", b"\xff\xf1", b"\xff\xf4", b"\xff\xfa\x01x\xff\xf0"]
)
def test_what_asks_for_no_answer_gets_none(command: bytes) -> None:
    decoder = LineDecoder(LIMIT)

    assert heard(decoder, [command + b"\n"]) == [b""]
    assert decoder.replies() == b""


def test_a_megabyte_of_proposals_gets_at_most_a_refusal_for_each_option() -> None:
    decoder = LineDecoder(LIMIT)
    storm = b"".join(bytes((0xFF, verb, option)) for option in range(256) for verb in (0xFD, 0xFB)) * 650

    assert len(storm) > 990_000
    heard(decoder, [storm])
    assert len(decoder.replies()) <= 256 * 3


def test_the_timing_mark_of_each_interrupt_is_answered_when_a_line_was_typed_between() -> None:
    # After Ctrl+C telnet shows nothing until its DO TIMING-MARK is answered.
    interrupt, refusal = b"\xff\xf4\xff\xfd\x06", b"\xff\xfc\x06"
    for packets in splits(b"more\r\n" + interrupt):
        decoder = LineDecoder(LIMIT)
        heard(decoder, [interrupt])
        assert decoder.replies() == refusal

        heard(decoder, packets)

        assert decoder.replies() == refusal, packets


def test_timing_marks_without_a_line_between_are_answered_once() -> None:
    decoder = LineDecoder(LIMIT)

    heard(decoder, [b"\xff\xfd\x06" * 1000])
    assert decoder.replies() == b"\xff\xfc\x06"


def test_a_subnegotiation_without_end_is_text_again_after_its_cap() -> None:
    decoder = LineDecoder(LIMIT)

    assert heard(decoder, [b"a\xff\xfa", b"s" * MAX_SUBNEGOTIATION_BYTES, b"b\n"]) == [b"ab"]
    assert heard(decoder, [b"next\n"]) == [b"next"]


def test_telnet_bytes_do_not_count_as_bytes_of_the_line() -> None:
    assert heard(LineDecoder(5), [b"\xff\xf1" * 100 + b"hello\n"]) == [b"hello"]


@pytest.mark.parametrize(
    ("data", "interrupted"),
    [
        (b"\xff\xf4\xff\xfd\x06", True),
        (b"hello\r\n\xff\xf4\xff\xfd\x06", True),
        (b"hel\xff\xf4\xff\xfd\x06lo\r\n", False),
        (b"hello\r\n\xff\xf1\xff\xfd\x06", False),
        (b"hello \xf4\r\n", False),
    ],
)
def test_an_interrupt_between_two_lines_is_a_wish_to_leave(data: bytes, *, interrupted: bool) -> None:
    for packets in splits(data):
        decoder = LineDecoder(LIMIT)
        heard(decoder, packets)

        assert decoder.interrupted == interrupted, packets
