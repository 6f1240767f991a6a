"""How what happens looks, on a terminal and in a pipe."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Back, Delivered, Lost, NewLog, Notice, Sent
from gchat.client.render import (
    aside,
    is_for_me,
    json_text,
    lines,
    lost_text,
    mentions,
    plain_text,
    text_of,
)
from gchat.client.styles import GREY, NICK_COLOURS, RED, STYLES
from gchat.client.terminal.layout import wrapped
from gchat.client.timeline import Timeline
from gchat.dialects.rich_events import (
    AccountEvent,
    ActedEvent,
    AnnouncedEvent,
    AwayEvent,
    BansEvent,
    ClosingEvent,
    DoneEvent,
    EnteredEvent,
    FoundEvent,
    GapEvent,
    InvitedEvent,
    JoinedEvent,
    KickedEvent,
    LeftEvent,
    ListEvent,
    LiveEvent,
    ModeEvent,
    ModesEvent,
    NamedEvent,
    PageEvent,
    PartedEvent,
    PenaltyInfo,
    PongEvent,
    RefusedEvent,
    RenamedEvent,
    RoomInfo,
    RoomListEvent,
    SlowedEvent,
    ToldEvent,
    TopicSetEvent,
    UsersEvent,
    WelcomeEvent,
)
from tests.client.shown import NOW, said, texts

LOOKS: list[tuple[Notice, list[str]]] = [
    (said("hello"), ["[bob] hello"]),
    (AccountEvent(account="alice"), []),
    (said("hello", "127.0.0.1:5000"), ["[127.0.0.1:5000] hello"]),
    (ActedEvent(room="lobby", seq=1, time="", from_="bob", text="waves"), ["* bob waves"]),
    (Sent("x-1", "lobby", 1, "hello", False), ["[alice] hello"]),
    (Sent("x-1", "lobby", 1, "waves", True), ["* alice waves"]),
    (Sent("x-1", "dev", 1, "hello", False), ["#dev [alice] hello"]),
    (Sent("x-1", "dev", 1, "one\ntwo", False), ["#dev [alice] one", "    | two"]),
    (ActedEvent(room="lobby", seq=1, time="", from_="bob", text="waves\nand goes"), ["* bob waves", "    | and goes"]),
    (ToldEvent(from_="bob", time="", text="psst"), ["[bob -> you] psst"]),
    (ToldEvent(from_="bob", time="", text="psst\nhush"), ["[bob -> you] psst", "    | hush"]),
    (Delivered("x-1", "bob", "psst"), ["[you -> bob] psst"]),
    (TopicSetEvent(room="lobby", text="of the day", from_="bob", seq=1), ["> bob set the topic: of the day"]),
    (
        TopicSetEvent(room="lobby", text="of the day", from_="bob"),
        ["> The topic is: of the day (set by bob)"],
    ),
    (TopicSetEvent(room="lobby", text="of the day"), ["> The topic is: of the day"]),
    (TopicSetEvent(room="lobby", text=""), ["> There is no topic"]),
    (TopicSetEvent(room="lobby", text="", from_="bob", seq=1), ["> bob cleared the topic"]),
    (EnteredEvent(room="lobby", online=2, who="bob"), ["> New user bob entered (2 users online)"]),
    (EnteredEvent(room="lobby", online=1057, count=57), ["> 57 users entered (1,057 users online)"]),
    (LeftEvent(room="lobby", online=1, who="bob"), ["< The user bob left (1 user online)"]),
    (LeftEvent(room="lobby", online=1000, count=57), ["< 57 users left (1,000 users online)"]),
    (RenamedEvent(room="lobby", who="bob", nick="rob"), ["> bob is now rob"]),
    (AwayEvent(room="lobby", who="bob", reason="at lunch"), ["> bob is away: at lunch"]),
    (AwayEvent(room="lobby", who="bob"), ["> bob is back"]),
    (AwayEvent(room="lobby", count=4), ["> 4 users went away or came back"]),
    (RenamedEvent(room="lobby", count=3), ["> 3 users changed their names"]),
    (DoneEvent(message="You are here"), ["> You are here"]),
    (ModeEvent(room="dev", change="+o bob", by="alice"), ["> alice made bob an operator of dev"]),
    (
        ModeEvent(room="dev", change="-i+k tea", by="alice"),
        ["> alice opened dev to users who are not invited", "> alice set the key of dev: /join dev tea"],
    ),
    (ModeEvent(room="dev", change="+z 7", by="alice"), ["> alice set the modes of dev: +z 7"]),
    (
        KickedEvent(room="dev", who="bob", by="alice", reason="spam", online=2),
        ["< alice put bob out of dev (2 users online): spam"],
    ),
    (
        KickedEvent(room="dev", who="alice", by="bob"),
        ["> bob put you out of dev", "> /join dev comes back, unless you are banned there"],
    ),
    (InvitedEvent(room="dev", by="bob"), ["> bob invites you to dev; /join dev goes there"]),
    (
        ModesEvent(room="dev", modes="+mn", operators=("alice",)),
        ["> Modes of dev: +mn (moderated, no messages from outside)", "> Operators: alice"],
    ),
    (
        BansEvent(bans=(PenaltyInfo(7, ("mallory",), "spam", "2027-01-15T08:00:00.000Z", "alice"),), mutes=()),
        ["> 7 banned until 2027-01-15 08:00 UTC: mallory (by alice): spam"],
    ),
    (ListEvent(room="dev", list="b", masks=("bob!*@*",)), ["> These are banned from dev:", "> bob!*@*"]),
    (NamedEvent(nick="alice"), ["> You are now alice"]),
    (JoinedEvent(room="dev", epoch="e", seq=0, online=1), ["> You are now in dev (1 user online)"]),
    (PartedEvent(room="dev"), ["> You have left dev; /join ROOM enters another, or this one again"]),
    (LiveEvent(room="lobby", seq=1), []),
    (
        GapEvent(room="lobby", range_from=1200, range_to=1611),
        ["> … 412 messages skipped (1200-1611), /history 1200"],
    ),
    (GapEvent(room="lobby", range_from=7, range_to=7), ["> … 1 message skipped (7), /history 7"]),
    (
        UsersEvent(room="lobby", users=("bob", "alice"), total=5, you="alice"),
        ["> In lobby (5 users online): bob, alice (you), and 3 more"],
    ),
    (
        RoomListEvent(rooms=(RoomInfo("lobby", 2, "hi", here=True), RoomInfo("dev", 1)), total=3),
        ["> lobby (2 users online), you are here: hi", "> dev (1 user online)", "> … and 1 more"],
    ),
    (PageEvent(room="lobby", events=(), end=True), ["> There are no such messages"]),
    (PageEvent(room="lobby", events=(said("x", seq=99),), end=False), ["> … there is more: /history 100"]),
    (PageEvent(room="lobby", events=(said("x", seq=1300),), end=False), []),
    (
        FoundEvent(room="lobby", events=(said("x", seq=99),), end=False),
        ["> … there may be older matches; add a word to narrow the search"],
    ),
    (
        FoundEvent(room="lobby", events=(), end=True),
        ["> Nothing found. Search matches whole words; depl* matches deploy"],
    ),
    (RefusedEvent(code="name_taken", message="That name is taken"), ["> That name is taken"]),
    (
        SlowedEvent(messages_per_s=5),
        ["> You send faster than 5 lines a second; your lines are delayed, none is lost"],
    ),
    (
        SlowedEvent(messages_per_s=5, bytes_per_s=2000, together=True),
        ["> Users from your address send faster than 2,000 bytes a second; your lines are delayed, none is lost"],
    ),
    (ClosingEvent(reason="The server is shutting down"), ["> The server is shutting down"]),
    (PongEvent(id="x-1"), ["> pong"]),
    (Lost("timed out", 1.0), ["> Connection lost (timed out); reconnecting"]),
    (Back(), ["> Connected again"]),
    (AnnouncedEvent(room="lobby", text="Tea at five"), ["> Announcement: Tea at five"]),
    (NewLog("lobby"), ["> lobby has a new history: messages from while you were disconnected may be missing"]),
    (
        WelcomeEvent(
            server="", session="", token="t" * 16, nick="a", room="r", epoch="", seq=0, online=2, limits={}, motd="a\nb"
        ),
        ["> Connected to the chat server (2 users online)", "> a", "> b"],
    ),
]


@pytest.mark.parametrize(("notice", "expected"), LOOKS, ids=lambda value: type(value).__name__)
def test_everything_looks_as_in_the_plain_dialect(notice: Notice, expected: list[str], chat: Conversation) -> None:
    assert texts(lines(notice, chat)) == expected


def test_everything_that_can_be_told_has_a_look() -> None:
    shown = {type(notice) for notice, _ in LOOKS}
    assert shown == set(Notice.__args__)


# --- Safety ----------------------------------------------------------------------------------------------------------

EVIL = "\x1b[2J\x1b]0;title\x07\r\n\x9b2J\u202eevil\u2028\t"


@pytest.mark.parametrize(
    "notice",
    [
        said(EVIL, EVIL),
        ActedEvent(room=EVIL, seq=1, time=EVIL, from_=EVIL, text=EVIL),
        Sent(EVIL, EVIL, 1, EVIL, False),
        ToldEvent(from_=EVIL, time="", text=EVIL),
        Delivered(EVIL, EVIL, EVIL),
        TopicSetEvent(room=EVIL, text=EVIL, from_=EVIL, seq=1),
        EnteredEvent(room=EVIL, online=1, who=EVIL),
        UsersEvent(room=EVIL, users=(EVIL,), total=1, you=EVIL),
        RoomListEvent(rooms=(RoomInfo(EVIL, 1, EVIL),), total=1),
        RefusedEvent(code=EVIL, message=EVIL),
        ModeEvent(room=EVIL, change=EVIL, by=EVIL),
        KickedEvent(room=EVIL, who=EVIL, by=EVIL, reason=EVIL),
        InvitedEvent(room=EVIL, by=EVIL),
        BansEvent(bans=(), mutes=(PenaltyInfo(1, (EVIL,), EVIL, "", EVIL),)),
        ModesEvent(room=EVIL, modes=EVIL, key=EVIL, operators=(EVIL,), voices=(EVIL,)),
        ListEvent(room=EVIL, list="b", masks=(EVIL,)),
        ClosingEvent(reason=EVIL),
        Lost(EVIL, 1),
    ],
    ids=lambda notice: type(notice).__name__,
)
def test_nothing_that_a_server_sends_reaches_the_terminal_but_printable_text(notice: Any, chat: Conversation) -> None:
    rows = [row for line in Timeline(NOW).lines(notice, chat, NOW) for row in wrapped(line, 80)]
    for shown in (*texts(lines(notice, chat)), *texts(rows)):
        assert shown.isprintable()
    assert plain_text(notice, chat).replace("\n", "").isprintable()
    assert json_text(notice).removesuffix("\n").isprintable()


def test_what_the_client_says_itself_is_printable_too() -> None:
    assert text_of(aside(EVIL)).isprintable()


# --- Colours ---------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [*NICK_COLOURS, GREY, RED, *re.findall("#[0-9a-f]{6}", " ".join(STYLES.values()))])
def test_a_colour_is_readable_on_black_and_on_white(colour: str) -> None:
    brightness = luminance(colour)
    assert (brightness + 0.05) / 0.05 >= 3.5
    assert 1.05 / (brightness + 0.05) >= 3.5


@pytest.mark.parametrize("colour", [*NICK_COLOURS, RED])
def test_a_colour_is_one_of_the_256_that_terminals_have(colour: str) -> None:
    assert {colour[at : at + 2] for at in (1, 3, 5)} <= {"00", "5f", "87", "af", "d7", "ff"}


def test_every_style_that_is_used_is_defined(chat: Conversation) -> None:
    used = {style for notice, _ in LOOKS for line in lines(notice, chat) for style, _ in line}
    assert {style.removeprefix("class:") for style in used if style} <= set(STYLES)


# --- Mentions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["alice", "Hi ALICE!", "@alice: x", "x,alice", "alice's"])
def test_a_mention_is_the_nick_as_a_word(text: str) -> None:
    assert mentions(text, "alice")


@pytest.mark.parametrize("text", ["malice", "alices", "alice2", "ali ce", ""])
def test_a_word_that_only_contains_the_nick_is_no_mention(text: str) -> None:
    assert not mentions(text, "alice")


def test_a_nick_is_not_a_pattern() -> None:
    assert mentions("hey a.b", "a.b")
    assert not mentions("hey axb", "a.b")
    assert not mentions("anything", "")


def test_a_mention_is_highlighted(chat: Conversation) -> None:
    assert ("class:mention", "Alice") in lines(said("hi Alice, hi"), chat)[0]
    assert texts(lines(said("hi Alice, hi"), chat)) == ["[bob] hi Alice, hi"]


def test_what_is_for_me_is_what_others_say_to_me(chat: Conversation) -> None:
    assert is_for_me(said("hi alice"), chat)
    assert is_for_me(ToldEvent(from_="bob", time="", text="psst"), chat)
    assert not is_for_me(said("hi bob"), chat)
    assert not is_for_me(said("alice am I", "alice"), chat)
    assert not is_for_me(Sent("x-1", "lobby", 1, "alice", False), chat)


def test_own_messages_private_ones_and_refusals_look_distinct(chat: Conversation) -> None:
    own = lines(Sent("x-1", "lobby", 1, "hello", False), chat)[0]
    private = lines(ToldEvent(from_="bob", time="", text="psst"), chat)[0]
    refused = lines(RefusedEvent(code="", message="no"), chat)[0]
    assert ("class:own", "alice") in own
    assert ("class:private", "[bob -> you] ") in private
    assert refused == [("class:refused", "> no")]


# --- Pipes -----------------------------------------------------------------------------------------------------------


def test_a_pipe_gets_lines_without_times_and_colours(chat: Conversation) -> None:
    assert plain_text(said("hello alice"), chat) == "[bob] hello alice\n"
    page = PageEvent(room="lobby", events=(said("one"), said("two")), end=True)
    assert plain_text(page, chat) == "[bob] one\n[bob] two\n"


@pytest.mark.parametrize(
    "notice", [Sent("x-1", "lobby", 1, "hello", False), Delivered("x-1", "bob", "psst"), Lost("", 1), Back()]
)
def test_a_pipe_does_not_get_back_what_it_said(notice: Notice, chat: Conversation) -> None:
    assert plain_text(notice, chat) == ""


def test_json_is_the_event_as_on_the_wire() -> None:
    text = json_text(said("größe 🙂"))
    assert text.endswith("\n")
    assert text.count("\n") == 1
    assert "größe 🙂" in text
    assert json.loads(text) == {
        "type": "said",
        "room": "lobby",
        "seq": 1,
        "time": "2026-03-01T10:03:00.000Z",
        "from": "bob",
        "text": "größe 🙂",
    }


def test_an_own_message_is_an_ack_in_json() -> None:
    assert json.loads(json_text(Sent("x-1", "lobby", 7, "hello", False))) == {
        "type": "ack",
        "id": "x-1",
        "room": "lobby",
        "seq": 7,
    }
    assert json.loads(json_text(Delivered("x-2", "bob", "psst"))) == {"type": "ack", "id": "x-2"}
    assert json_text(Back()) == json_text(Lost("", 1)) == json_text(NewLog("lobby")) == ""


def test_json_escapes_what_is_not_printable_and_says_the_same() -> None:
    evil = "".join(map(chr, [*range(0x20), 0x7F, *range(0x80, 0xA0), 0x202E, 0x2028, 0xE0041, 0x1F642, 0x41]))
    text = json_text(said(evil))
    assert text.removesuffix("\n").isprintable()
    assert json.loads(text)["text"] == evil


def test_the_token_is_worth_a_nick_and_is_not_printed() -> None:
    welcome: Any = LOOKS[-1][0]
    assert "t" * 16 not in json_text(welcome)


def test_no_connection_is_one_sentence() -> None:
    assert lost_text(Lost("timed out", 1.5)) == "Connection lost (timed out); reconnecting"


def test_the_lines_of_a_text_are_one_line_with_lf_and_as_in_the_plain_dialect_in_a_pipe(chat: Conversation) -> None:
    code = said("see:\n  if alice:\n\n[carol] hi")
    (shown,) = Timeline(NOW).lines(code, chat, NOW)

    assert text_of(shown) == "12:03 [bob] see:\n  if alice:\n\n[carol] hi"
    assert ("class:mention", "alice") in shown
    assert plain_text(code, chat) == "[bob] see:\n    |   if alice:\n    | \n    | [carol] hi\n"
    assert json.loads(json_text(code))["text"] == code.text
    page = FoundEvent(room="lobby", events=(code,), end=True)
    assert text_of(Timeline(NOW).lines(page, chat, NOW)[1]) == f"#1 {text_of(shown)}"
    assert plain_text(page, chat).startswith("#1 [bob] see:\n    |   if alice:\n")
