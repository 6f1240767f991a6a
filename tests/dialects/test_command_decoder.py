"""Decoders: what the bytes of a connection ask for, and what ends the work, however they are split over packets."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import permutations, zip_longest

import pytest
from msgspec import Struct

from gchat.dialects import choice, plain, rich
from gchat.dialects.dialect import Decoder, Dialect, Goodbye, LateHello, Outcome
from gchat.dialects.sniff import Foreign
from gchat.model.commands import Command, Say, Who
from gchat.model.errors import LineTooLong
from gchat.model.hello import Hello
from tests.dialects import postcard

HELLO = b'GCHAT/1 {"nick":"a"}\n{"type":"who"}\n'


class Heard(Struct):
    asked: list[Command]
    lines: int
    outcome: Outcome | None
    replies: bytes
    too_long: int = 0


def hears(decoder: Decoder, packets: Iterable[bytes], *, ends: bool = False, limit: int = 512) -> Heard:
    heard = Heard([], 0, None, b"")

    def take(data: bytes) -> None:
        is_waiting = True
        while is_waiting:
            try:
                lines, asked = decoder.take(limit, data)
            except LineTooLong:
                heard.too_long += 1
            else:
                assert lines <= limit
                heard.lines += lines
                heard.asked += asked
            heard.replies += decoder.replies
            decoder.replies = data = b""
            is_waiting = decoder.waiting

    for packet in packets:
        take(packet)
    if ends:
        decoder.end()
        take(b"")
    heard.outcome = decoder.outcome
    return heard


def said(*texts: str) -> list[Command]:
    return [Say((text,)) for text in texts]


def each(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


@pytest.mark.parametrize("limit", [1, 2, 512])
def test_lines_are_taken_at_the_pace_that_is_asked_for_and_blank_ones_count(limit: int) -> None:
    heard = hears(plain.decoder(100), [b"one\n\ntwo\n", b"three\n/who\n"], limit=limit)

    texts = [text for command in heard.asked if isinstance(command, Say) for text in command.texts]
    assert (texts, heard.asked[-1], heard.lines) == (["one", "two", "three"], Who(), 5)


@pytest.mark.parametrize(
    "packets", [[b"clean\n", b"a\tb\n", b"c\x7fd\n", b"next\n"], each(b"clean\na\tb\nc\x7fd\nnext\n")]
)
def test_clean_lines_and_others_are_heard_alike(packets: list[bytes]) -> None:
    assert hears(plain.decoder(100), [b"first\n", *packets]).asked == said("first", "clean", "a\tb", "d", "next")


def test_a_clean_line_behind_a_carriage_return_is_no_line_more() -> None:
    decoder = plain.decoder(100)

    assert hears(decoder, [b"one\n", b"two\r", b"\n", b"three\r", b"\nfour\n"]).lines == 4


def test_a_clean_line_that_is_too_long_is_refused_in_its_place() -> None:
    heard = hears(plain.decoder(5), [b"one\n", b"too long\n", b"a\nb\nc\n"])

    assert (heard.lines, heard.too_long) == (4, 1)


@pytest.mark.parametrize("packets", [[HELLO], [b"\n", HELLO], each(HELLO), [HELLO[:20], HELLO[20:]]])
def test_the_plain_decoder_knows_a_late_hello_and_hands_over_all_that_came_after_it(packets: list[bytes]) -> None:
    decoder = plain.decoder(100)
    heard = bytearray()
    for number, packet in enumerate(packets):
        hears(decoder, [packet])
        if isinstance(decoder.outcome, LateHello):
            heard += decoder.outcome.heard + b"".join(packets[number + 1 :])
            break

    dialect = choice.spoken(bytes(heard))
    assert dialect is rich
    assert dialect.hello(bytes(heard)) == (Hello(nick="a"), b'{"type":"who"}\n')


def test_a_hello_after_the_first_line_is_none() -> None:
    heard = hears(plain.decoder(100), [b"hi\n", HELLO])

    assert heard.outcome is None
    assert heard.lines == 3


@pytest.mark.parametrize("packets", [[b"GET / HTTP/1.1\r\n"], each(b"GET / HTTP/1.1\r\n")])
def test_a_foreign_protocol_is_known_and_nothing_of_it_heard(packets: list[bytes]) -> None:
    heard = hears(plain.decoder(100), packets)

    assert isinstance(heard.outcome, Foreign)
    assert (heard.outcome.name, heard.asked) == ("HTTP", [])


def test_what_could_be_foreign_is_heard_at_the_end() -> None:
    assert hears(plain.decoder(100), [b"GET"]).asked == []
    assert hears(plain.decoder(100), [b"GET"], ends=True).asked == said("GET")
    assert hears(plain.decoder(100), [b"\n\nGET"], ends=True).asked == said("GET")
    assert isinstance(hears(plain.decoder(100), [b"GET / HTTP/1.1"], ends=True).outcome, Foreign)


def test_a_goodbye_comes_in_one_piece_or_before_the_end() -> None:
    at_once, typed, line = plain.decoder(100), plain.decoder(100), plain.decoder(100)
    hears(at_once, [b"hi\n", b"-1"])
    hears(typed, [b"hi\n", b"-", b"1"])
    hears(line, [b"hi\n", b"-1\n"])

    assert (at_once.may_be_goodbye, typed.may_be_goodbye, line.may_be_goodbye) == (True, False, False)
    for decoder in (at_once, typed):
        assert hears(decoder, [], ends=True) == Heard([], 0, Goodbye(), b"")
    assert hears(at_once, [b"0\n"]).asked == said("-10")


def test_an_unterminated_rest_is_heard_at_the_end_once() -> None:
    for decoder, rest, asked in (
        (plain.decoder(100), b"rest", said("rest")),
        (plain.decoder(100), b"caf\xc3\xa9\xff", said("caf\xe9\ufffd")),
        (rich.decoder(100), b'{"type":"who"}', [Who()]),
    ):
        assert hears(decoder, [b"\n", rest], ends=True).asked == asked
        assert hears(decoder, [], ends=True).asked == []


def test_telnet_is_answered_and_ctrl_c_between_lines_is_a_goodbye() -> None:
    heard = hears(plain.decoder(100), [b"hi\n\xff\xfd\x01", b"\xff\xf4"])

    assert heard.replies == b"\xff\xfd\x00\xff\xfc\x01"
    assert (heard.asked, heard.outcome) == (said("hi"), Goodbye())


# In https://github.com/davidfowl/Channels/issues/30 a decoder with the state of one stream was used for all, and in
# https://github.com/reactor/reactor/issues/49 each connection had to be given one of its own.
@pytest.mark.parametrize("dialect", [plain, rich, postcard], ids=lambda dialect: str(dialect.traits.name))
def test_two_connections_byte_by_byte_in_turn_are_heard_as_each_alone(dialect: Dialect) -> None:
    streams = [
        b"\xff\xfb\x1fh\xc3\xa9llo\r\0\xff\xfa\x18\0vt\n100\xff\xf0x\x7fy\r\n/nick al\xc3ice\r\n-1",
        b'\xef\xbb\xbf{"type":"say","text":"\xe2\x82\xac"}\r\n' + b"x" * 70 + b"\n\xff\xfd\x03{\n\xc3\n",
        b"GCHAT/1 {}\n/me waves\xff\xff\n\xf0\x9f\x91",
        b"DEAR dev FROM al\nHELLO\n\xe2\x80\n/who\n\xff",
    ]
    for one, other in permutations(streams, 2):
        alone = [hears(dialect.decoder(64), each(stream), ends=True) for stream in (one, other)]
        decoders = [dialect.decoder(64), dialect.decoder(64)]
        together = [Heard([], 0, None, b""), Heard([], 0, None, b"")]
        for bytes_ in zip_longest(each(one), each(other)):
            for decoder, heard, byte in zip(decoders, together, bytes_, strict=True):
                if byte is not None:
                    add(heard, hears(decoder, [byte]))
        for decoder, heard in zip(decoders, together, strict=True):
            add(heard, hears(decoder, [], ends=True))
        assert repr(together) == repr(alone)  # two refusals are never the same


def add(heard: Heard, more: Heard) -> None:
    heard.asked += more.asked
    heard.lines += more.lines
    heard.outcome = more.outcome
    heard.replies += more.replies
    heard.too_long += more.too_long


# Found by tests.fuzz: a command of telnet's that is cut where a late hello is handed over goes on there.
def test_a_telnet_command_that_is_cut_behind_a_late_hello_is_whole_for_the_other_decoder() -> None:
    heard = hears(plain.decoder(100), [b"GCHAT/1 {}\n\xff"])
    assert heard.outcome == LateHello(b"GCHAT/1 {}\n\xff")


# Found by tests.fuzz: the clean line overtook the byte before it.
def test_a_byte_ff_that_comes_alone_stays_before_the_clean_line_that_follows() -> None:
    packets = [b"clean\n", b"\xff", b"clean\n", b"clean\n"]
    assert hears(plain.decoder(100), packets).asked == said("clean", "\ufffdclean", "clean")


# In https://github.com/millermatt/mudular/issues/77 all that stood behind an invalid byte waited for the next read, in
# https://github.com/netty/netty/pull/16991 a CR within a letter harmed the character behind it, in
# https://github.com/softwaremill/jox/pull/370 a piece of nothing lost the line that was begun, and in
# https://github.com/pathosDev/actor-ts/issues/752 a letter was lost that two reads had parts of.
@pytest.mark.parametrize(
    ("packets", "texts"),
    [
        ([b"HP:100 \xff MP:50\n"], ["HP:100 \ufffd MP:50"]),
        ([b"a\xffb\xffc\n", b"!\n"], ["a\ufffdb\ufffdc", "!"]),
        ([b"\xc3\rA\n"], ["\ufffd", "A"]),
        ([b"12", b"", b"3\n", b""], ["123"]),
        ([b"x\nna\xc3", b"\xafve\n"], ["x", "na\xefve"]),
    ],
)
def test_what_other_decoders_of_lines_lost_is_heard(packets: list[bytes], texts: list[str]) -> None:
    for limit in (1, 512):
        asked = hears(plain.decoder(100), [b"first\n", *packets], limit=limit).asked
        assert [text for command in asked if isinstance(command, Say) for text in command.texts] == ["first", *texts]
