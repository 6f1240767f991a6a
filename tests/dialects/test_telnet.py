"""Telnet: its commands are no text, its proposals are answered once, and the letters that it mistakes come back."""

from __future__ import annotations

import time

import pytest

from gchat.dialects.lines import LineDecoder
from gchat.dialects.telnet import MAX_COMMANDS, MAX_SUBNEGOTIATION_BYTES
from gchat.model.errors import LineEndless
from tests.dialects.test_lines import LIMIT, heard, splits

ASK = b"\xff\xfd\x00"  # DO BINARY
INTERRUPT = b"\xff\xf4\xff\xfd\x06"  # IP, DO TIMING-MARK


def answers(decoder: LineDecoder) -> bytes:
    """Return what the decoder answers, but for the first, which asks for BINARY."""
    replies = decoder.replies()
    assert replies.startswith(ASK)
    assert ASK not in replies[3:]
    return replies[3:]


PROPOSALS = [(bytes((0xFF, verb, option)), option) for verb in (0xFD, 0xFB) for option in (1, 3, 31, 200, 255)]


@pytest.mark.parametrize(("proposal", "option"), PROPOSALS)
def test_what_telnet_proposes_is_refused_once_however_it_is_split(proposal: bytes, option: int) -> None:
    for packets in splits(b"a" + proposal + b"b" + proposal + b"\n"):
        decoder = LineDecoder(LIMIT, typed=True)

        assert heard(decoder, packets) == [b"ab"]
        assert answers(decoder) == bytes((0xFF, 0xFC if proposal[1] == 0xFD else 0xFE, option))
        assert decoder.replies() == b""


def test_an_option_is_answered_once_for_each_direction() -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    heard(decoder, [b"\xff\xfd\x01\xff\xfb\x01\xff\xfd\x01\xff\xfb\x01\n"])
    assert answers(decoder) == b"\xff\xfc\x01\xff\xfe\x01"


@pytest.mark.parametrize(
    "command", [b"\xff\xfc\x01", b"\xff\xfe\x01", b"\xff\xf1", b"\xff\xf4", b"\xff\xfa\x01x\xff\xf0"]
)
def test_telnet_is_asked_for_binary_once_when_it_shows_itself(command: bytes) -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    assert heard(decoder, [command + b"\n"]) == [b""]
    assert decoder.replies() == ASK
    heard(decoder, [command + b"\n"])
    assert decoder.replies() == b""


@pytest.mark.parametrize("text", [b"caf\xe9", b"\xff\xff", b"\xff \xff\n", b"\xffoui", b"\xff"])
def test_a_byte_ff_in_somebodys_text_is_not_telnet(text: bytes) -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    heard(decoder, [text])
    assert decoder.replies() == b""


@pytest.mark.parametrize(
    ("asked", "replies"),
    [
        (b"\xff\xfb\x00", b"\xff\xfd\x00"),
        (b"\xff\xfd\x00", b"\xff\xfd\x00\xff\xfb\x00"),
        (b"\xff\xfd\x00\xff\xfb\x00", b"\xff\xfd\x00\xff\xfb\x00"),  # telnet -8
        (b"\xff\xfc\x00", b"\xff\xfd\x00"),
    ],
)
def test_binary_is_agreed_to_in_both_directions(asked: bytes, replies: bytes) -> None:
    for packets in splits(asked + asked):
        decoder = LineDecoder(LIMIT, typed=True)
        heard(decoder, packets)

        assert decoder.replies() == replies, packets


def test_a_stream_that_nobody_types_gets_no_answers() -> None:
    decoder = LineDecoder(LIMIT)

    assert heard(decoder, [b'{"text":"\xff\xfe"}\xff\xfd\x06\xff\xfb\x01\n']) == [b'{"text":"}']
    assert decoder.replies() == b""


def test_a_letter_that_telnet_mistook_shows_telnet_too_and_its_timing_mark_is_answered() -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    assert heard(decoder, [b"\xd1" + INTERRUPT + b"\xd1" + INTERRUPT + b"\n"]) == ["уу".encode()]
    assert answers(decoder) == b"\xff\xfc\x06" * 2
    assert not decoder.interrupted


def test_a_megabyte_of_proposals_gets_at_most_an_answer_for_each_option_and_direction() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    storm = b"".join(bytes((0xFF, verb, option)) for option in range(256) for verb in (0xFD, 0xFB))
    packets = [storm[at : at + 1500] + b"\n" for at in range(0, len(storm), 1500)] * 650

    assert sum(map(len, packets)) > 990_000
    heard(decoder, packets)
    assert len(decoder.replies()) <= 2 * 256 * 3 + len(packets) * 3


def test_the_timing_mark_of_each_interrupt_is_answered_when_something_was_typed_between() -> None:
    # After Ctrl+C telnet shows nothing until its DO TIMING-MARK is answered.
    refusal = b"\xff\xfc\x06"
    for packets in splits(b"more\r\n" + INTERRUPT):
        decoder = LineDecoder(LIMIT, typed=True)
        heard(decoder, [INTERRUPT])
        assert answers(decoder) == refusal

        heard(decoder, packets)

        assert decoder.replies() == refusal, packets


def test_timing_marks_with_nothing_between_are_answered_once() -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    heard(decoder, [b"\xff\xfd\x06" * MAX_COMMANDS])
    assert answers(decoder) == b"\xff\xfc\x06"


def test_a_subnegotiation_without_end_is_text_again_after_its_cap() -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    assert heard(decoder, [b"a\xff\xfa", b"s" * MAX_SUBNEGOTIATION_BYTES, b"b\n"]) == [b"ab"]
    assert heard(decoder, [b"next\n"]) == [b"next"]


def test_telnet_bytes_do_not_count_as_bytes_of_the_line() -> None:
    assert heard(LineDecoder(5), [b"\xff\xf1" * 100 + b"hello\n"]) == [b"hello"]


@pytest.mark.parametrize("command", [b"\xff\xf1", b"\xff\xfd\x01", b"\xff\xfa\x18\xff\xf0", b"\xff\xf7", b"x\xff\xf4"])
def test_a_peer_that_sends_commands_for_ever_is_not_talking_lines(command: bytes) -> None:
    data = b"before\n" + command * (MAX_COMMANDS + 1) + b"after\n"
    for packet_bytes in (1, 999, 65536):
        packets = [data[at : at + packet_bytes] for at in range(0, len(data), packet_bytes)]

        with pytest.raises(LineEndless, match="more than 1,000 telnet commands without a newline"):
            heard(LineDecoder(LIMIT, typed=True), packets)


def test_the_lines_before_too_many_commands_are_heard_first() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    decoder.feed(b"one\ntwo\n" + b"\xff\xf1" * 2000 + b"three\n")

    assert decoder.take(10) == [b"one", b"two"]
    assert decoder.waiting
    with pytest.raises(LineEndless):
        decoder.take(10)


def test_commands_are_counted_from_the_last_line_on() -> None:
    decoder = LineDecoder(LIMIT, typed=True)

    assert heard(decoder, [b"\xff\xf1" * MAX_COMMANDS + b"x\n"] * 5) == [b"x"] * 5


def test_a_read_that_is_full_of_commands_costs_next_to_nothing() -> None:
    def cost(data: bytes) -> float:
        best = 9.0
        for _ in range(5):
            decoder = LineDecoder(LIMIT, typed=True)
            decoder.feed(b"\xff\xf1x\n")
            start = time.process_time()
            decoder.feed(data)
            best = min(best, time.process_time() - start)
        return best

    text = b"a line of ordinary length, as somebody types it\n" * 1365
    assert cost(b"\xff\xf1" * 32768) < 20 * cost(text)


@pytest.mark.parametrize(
    ("data", "interrupted"),
    [
        (INTERRUPT, True),
        (b"hello\r\n" + INTERRUPT, True),
        (b"hel" + INTERRUPT + b"lo\r\n", False),
        (b"hello\r\n\xff\xf1\xff\xfd\x06", False),
        (b"hello \xf4\r\n", False),
        (b"\xd1" + INTERRUPT, False),
        (b"\xd1\x83" + INTERRUPT, False),
    ],
)
@pytest.mark.parametrize("typed", [False, True])
def test_an_interrupt_between_two_lines_is_a_wish_to_leave(data: bytes, *, typed: bool, interrupted: bool) -> None:
    for packets in splits(data):
        decoder = LineDecoder(LIMIT, typed=typed)
        heard(decoder, packets)

        assert decoder.interrupted == interrupted, packets


@pytest.mark.parametrize("end", [b"\r", b"\r\0", b"\n\r", b"\n"])
def test_an_interrupt_behind_any_end_of_a_typed_line_is_one_too(end: bytes) -> None:
    for packets in splits(b"hello" + end + INTERRUPT):
        decoder = LineDecoder(LIMIT, typed=True)
        heard(decoder, packets)

        assert decoder.interrupted, packets


# --- A line that is a secret ----------------------------------------------------------------------------------------

HIDE, SHOW = b"\xff\xfb\x01\r", b"\xff\xfc\x01\n"  # WILL ECHO; WONT ECHO
AGREED, TAKEN_BACK = b"\xff\xfd\x01", b"\xff\xfe\x01"  # DO ECHO; DONT ECHO


def test_telnet_shows_nothing_of_a_secret_and_all_of_the_line_behind_it_however_it_is_split() -> None:
    for packets in splits(AGREED + b"secret\r\n" + TAKEN_BACK + b"hello\r\n"):
        decoder = LineDecoder(LIMIT, typed=True)

        assert decoder.hide() == HIDE
        assert heard(decoder, packets) == [b"secret", b"hello"]
        assert answers(decoder) == SHOW


def test_what_is_typed_stays_hidden_until_the_end_of_the_line() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    decoder.hide()

    assert heard(decoder, [AGREED, b"sec"]) == []
    assert answers(decoder) == b""
    assert heard(decoder, [b"ret\r"]) == [b"secret"]
    assert decoder.replies() == SHOW


def test_an_agreement_that_comes_after_the_secret_is_taken_back_too() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    decoder.hide()

    assert heard(decoder, [b"secret\n", AGREED, b"hello\n"]) == [b"secret", b"hello"]
    assert answers(decoder) == SHOW[:3]


def test_a_peer_that_has_proposed_echo_itself_agrees_again_and_is_taken_back_again() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    heard(decoder, [AGREED + b"\n"])  # as PuTTY begins
    assert answers(decoder) == SHOW[:3]

    for _ in range(3):
        assert decoder.hide() == HIDE
        heard(decoder, [AGREED + b"wrong\n" + TAKEN_BACK])
        assert decoder.replies() == SHOW


def test_a_peer_that_is_no_telnet_is_asked_once_and_answered_nothing() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    decoder.hide()

    assert heard(decoder, [b"secret\nhello\n"]) == [b"secret", b"hello"]
    assert decoder.replies() == b""
    assert decoder.telnet is None


def test_a_secret_that_is_here_already_needs_no_hiding() -> None:
    decoder = LineDecoder(LIMIT, typed=True)
    decoder.feed(b"/login\nsecret\n")

    assert decoder.take(1) == [b"/login"]
    assert decoder.hide() == b""
