"""The plain dialect: what each line that is typed asks, and how everything that is told looks, byte for byte."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.dialects import plain
from gchat.dialects.plain import encode
from gchat.dialects.plain_decoder import PlainDecoder
from gchat.dialects.slash import SLASHES
from gchat.model import commands, events, sentences
from gchat.model.audience import Me
from gchat.model.errors import Code
from gchat.model.events import RoomListed
from gchat.model.messages import Acted, Numbered, Record, Said, TopicSet
from gchat.model.modes import LETTERS, Change, Takes, parse


def decode(lines: list[bytes]) -> list[commands.Command]:
    """Return what lines ask behind the first of a stream."""
    return PlainDecoder(100_000)._decode(b"".join(line + b"\n" for line in lines))[1]


def command(line: str) -> commands.Command:
    (only,) = decode([line.encode()])
    return only


def shown(event: events.Event) -> str:
    return encode(event).decode()


# --- What is typed ---------------------------------------------------------------------------------------------------

TYPED = [
    ("hello", commands.Say(("hello",))),
    ("  indented", commands.Say(("  indented",))),
    ("\tindented", commands.Say(("\tindented",))),
    ("a /nick b", commands.Say(("a /nick b",))),
    ("-1", commands.Say(("-1",))),
    ("//nick is a command", commands.Say(("/nick is a command",))),
    ("//", commands.Say(("/",))),
    ("///", commands.Say(("//",))),
    (" /nick bob", commands.Nick("bob")),
    ("/help", commands.Help("")),
    ("/help nick", commands.Help("nick")),
    ("/help /NICK", commands.Help("nick")),
    ("/nick alice", commands.Nick("alice")),
    ("/nick  alice ", commands.Nick("alice")),
    ("/NICK Alice", commands.Nick("Alice")),
    ("/nick two words", commands.Nick("two words")),
    ("/who", commands.Who()),
    ("/who ", commands.Who()),
    ("/names", commands.Who()),
    ("/away", commands.BeAway()),
    ("/away at lunch", commands.BeAway("at lunch")),
    ("/back", commands.BeAway()),
    ("/ignore", commands.Ignore()),
    ("/ignore bob", commands.Ignore("bob")),
    ("/unignore bob", commands.Unignore("bob")),
    ("/rooms", commands.Rooms()),
    ("/join dev", commands.Join("dev", leave="current")),
    ("/join dev tea", commands.Join("dev", key="tea", leave="current")),
    ("/kick bob", commands.Kick("bob")),
    ("/kick bob too loud", commands.Kick("bob", "too loud")),
    ("/invite bob", commands.Invite("bob")),
    ("/mode", commands.Mode()),
    ("/ban bob", commands.Ban("bob")),
    ("/ban bob too loud", commands.Ban("bob", 0, "too loud")),
    ("/ban bob 10m spam", commands.Ban("bob", 600, "spam")),
    ("/ban bob 1h30m", commands.Ban("bob", 5400)),
    ("/ban bob force of habit", commands.Ban("bob", 0, "force of habit")),
    ("/ban 10.0.0.0/8 3d force flood", commands.Ban("10.0.0.0/8", 259200, "flood", force=True)),
    ("/ban 2001:db8::/31 FORCE", commands.Ban("2001:db8::/31", force=True)),
    ("/unban 7", commands.Unban("7")),
    ("/bans", commands.Bans()),
    ("/mute bob", commands.Mute("bob")),
    ("/mute bob 90s too loud", commands.Mute("bob", 90, "too loud")),
    ("/unmute bob", commands.Unmute("bob")),
    ("/kill bob wake up", commands.Kill("bob", "wake up")),
    ("/announce Back at noon", commands.AnnounceToAll("Back at noon")),
    ("/mode +k tea", commands.Mode("+k tea")),
    ("/op bob", commands.Mode("+o bob")),
    ("/deop bob", commands.Mode("-o bob")),
    ("/voice bob", commands.Mode("+v bob")),
    ("/devoice bob", commands.Mode("-v bob")),
    ("/part", commands.Part()),
    ("/part dev", commands.Part(room="dev")),
    ("/me waves  twice", commands.Act("waves  twice")),
    ("/msg bob psst, you", commands.Tell("bob", "psst, you")),
    ("/w bob psst", commands.Tell("bob", "psst")),
    ("/TELL bob psst", commands.Tell("bob", "psst")),
    ("/query bob psst", commands.Tell("bob", "psst")),
    ("/msg bob  /nick x", commands.Tell("bob", "/nick x")),
    ("/msg 127.0.0.1:5000 hi", commands.Tell("127.0.0.1:5000", "hi")),
    ("/reply yes", commands.Reply("yes")),
    ("/topic", commands.Topic()),
    ("/topic tea and cake", commands.Topic("tea and cake")),
    ("/topic -", commands.Topic("")),
    ("/topic - tea", commands.Topic("- tea")),
    ("/history", commands.History(commands.Last(20))),
    ("/history 1200", commands.History(commands.From(1200))),
    ("/history -5", commands.History(commands.Last(5))),
    ("/search tea  cak*", commands.Search("tea  cak*", 20)),
    ("/register tea4two!", commands.Register(secret="tea4two!")),
    ("/register", commands.AskSecret(commands.Register())),
    ("/login alice", commands.AskSecret(commands.Login("alice", leave="current"))),
    ("/login  alice  tea4two!", commands.Login("alice", "tea4two!", leave="current")),
    ("/logout", commands.Logout()),
    ("/passwd", commands.AskSecret(commands.Passwd())),
    ("/passwd tea4two! tea4three", commands.Passwd("tea4two!", "tea4three")),
    ("/unregister", commands.AskSecret(commands.Unregister())),
    ("/unregister tea4two!", commands.Unregister(secret="tea4two!")),
    ("/ping", commands.Ping("")),
    ("/ping a b", commands.Ping("a b")),
    ("/quit", commands.Quit()),
    ("/quit bye all", commands.Quit()),
    ("/exit", commands.Quit()),
]


@pytest.mark.parametrize(("line", "asked"), TYPED)
def test_a_line_asks_for_what_it_says(line: str, asked: commands.Command) -> None:
    assert command(line) == asked


def test_every_command_is_typed_in_these_tests() -> None:
    names = {name for verb in SLASHES.values() for name in (verb.name, *verb.aliases)}

    assert {line[1:].split()[0].lower() for line, _ in TYPED if line.startswith("/") and line[1:2] != "/"} == names


@pytest.mark.parametrize("line", ["", " ", "\t", "   \t ", "\u00a0", "\u3000", "\x0b", "\x1c", "\u2028"])
def test_a_blank_line_asks_for_nothing_alone_or_among_others(line: str) -> None:
    assert decode([line.encode()]) == []
    assert decode([b"a", line.encode(), b"b"]) == [commands.Say(("a", "b"))]
    assert decode([b"/who", line.encode()]) == [commands.Who()]


def test_no_lines_ask_for_nothing() -> None:
    assert PlainDecoder(100).take(1) == (0, [])


def test_lines_of_one_read_are_said_together_and_commands_stand_between() -> None:
    assert decode([b"one", b"two", b"/who", b"", b"//three", b"/quit"]) == [
        commands.Say(("one", "two")),
        commands.Who(),
        commands.Say(("/three",)),
        commands.Quit(),
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"caf\xe9 ole", "caf\ufffd ole"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"\xf0\x9f\x98", "\ufffd"),
        (b"\xc0\xaf", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("ünï 😀".encode(), "ünï 😀"),
        (b"nul\0", "nul\0"),
    ],
)
def test_what_is_no_utf8_is_replaced_and_the_next_line_is_unharmed(line: bytes, text: str) -> None:
    assert decode([line, b"\x80 next", "ä".encode()]) == [commands.Say((text, "\ufffd next", "ä"))]


@pytest.mark.parametrize(
    ("line", "name"), [("/dance", "dance"), ("/dance with me", "dance"), ("/", ""), ("/ nick", ""), ("/Who?", "Who?")]
)
def test_an_unknown_command_gets_one_line_with_a_hint_and_is_not_said(line: str, name: str) -> None:
    assert _message(line) == f"Unknown command /{name}; type /help for the list, or //{name} to say it"


def _message(line: str) -> str:
    mistake = command(line)
    assert isinstance(mistake, commands.Mistake)
    assert mistake.refusal.code is Code.BAD_COMMAND
    return mistake.refusal.message


@pytest.mark.parametrize("line", ["/nick", "/join", "/me", "/msg", "/msg bob", "/msg bob ", "/reply", "/reply  "])
def test_a_missing_argument_is_answered_with_the_usage(line: str) -> None:
    usage = SLASHES[line[1:].split(maxsplit=1)[0]].usage

    assert _message(line) == f"Missing argument. Usage: {usage}"


@pytest.mark.parametrize("line", ["/who is there", "/rooms all"])
def test_an_argument_too_many_is_answered_with_the_usage(line: str) -> None:
    assert _message(line) == f"Unexpected argument. Usage: {line.split(maxsplit=1)[0]}"


@pytest.mark.parametrize("argument", ["x", "-", "--5", "1.5", "5-", "1e3", "+5", "²", "0", "-0", "000", "1 2"])
def test_history_wants_a_number(argument: str) -> None:
    message = "Expected a number other than 0. Usage: /history [FROM | -COUNT]"

    assert _message(f"/history {argument}") == message


@pytest.mark.parametrize("argument", ["9" * 16, "-" + "9" * 16, "9" * 5000])
def test_history_refuses_a_number_that_is_too_large(argument: str) -> None:
    assert _message(f"/history {argument}") == "Number too large. Usage: /history [FROM | -COUNT]"


def test_a_mistake_shows_a_long_or_evil_command_harmlessly() -> None:
    assert len(_message(f"/{'x' * 8000}")) < 200
    assert "\x1b" not in _message("/\x1b[31m")


LINES = st.lists(
    st.one_of(st.text(max_size=8), st.sampled_from(("/who", "//x", "/nick a", " ", "", "/x", "a"))), min_size=1
)


@settings(max_examples=300, deadline=None)
@given(LINES)
def test_lines_ask_together_for_what_they_ask_for_alone(texts: list[str]) -> None:
    lines = [text.replace("\n", "").encode() for text in texts]
    alone = [_flat(asked) for line in lines for asked in decode([line])]

    assert [part for asked in decode(lines) for part in _split(asked)] == alone


def _flat(asked: commands.Command) -> object:
    return asked.refusal.message if isinstance(asked, commands.Mistake) else asked


def _split(asked: commands.Command) -> list[object]:
    return [commands.Say((text,)) for text in asked.texts] if isinstance(asked, commands.Say) else [_flat(asked)]


# --- What is told ----------------------------------------------------------------------------------------------------

NOW = datetime(2026, 8, 2, 12, 5).timestamp()

TOLD: list[tuple[events.Event, str]] = [
    (events.Welcome(1, "", "lobby", 1), "> Connected to the chat server (1 user online)\n"),
    (events.Welcome(2, "", "lobby", 1), "> Connected to the chat server (2 users online)\n"),
    (events.Welcome(1057, "", "lobby", 1), "> Connected to the chat server (1,057 users online)\n"),
    (
        events.Welcome(2, "Be kind.\nNo spam.", "lobby", 1),
        "> Connected to the chat server (2 users online)\n> Be kind.\n> No spam.\n",
    ),
    (events.Ready("[You] "), "[You] "),
    (events.Entered("127.0.0.1:51234", 2), "> New user 127.0.0.1:51234 entered (2 users online)\n"),
    (events.Left("127.0.0.1:51234", 1), "< The user 127.0.0.1:51234 left (1 user online)\n"),
    (events.Renamed("127.0.0.1:51234", "alice"), "> 127.0.0.1:51234 is now alice\n"),
    (events.Away("alice", "at lunch"), "> alice is away: at lunch\n"),
    (events.Away("alice", ""), "> alice is back\n"),
    (events.Crowd(events.Away, 12, 0), "> 12 users went away or came back\n"),
    (events.Crowd(events.Entered, 57, 1057), "> 57 users entered (1,057 users online)\n"),
    (events.Crowd(events.Left, 1057, 1), "< 1,057 users left (1 user online)\n"),
    (events.Crowd(events.Renamed, 12, 0), "> 12 users changed their names\n"),
    (Said("127.0.0.1:51234", ("Hello",)), "[127.0.0.1:51234] Hello\n"),
    (Said("alice", ("one", "two", "drei ✓")), "[alice] one\n[alice] two\n[alice] drei ✓\n"),
    (Said("alice", ("one\n  two\n\nthree",)), "[alice] one\n    |   two\n    | \n    | three\n"),
    (Said("alice", ("one\n[bob] two\x85\u2028> three",)), "[alice] one\n    | [bob] two\\x85\\u2028> three\n"),
    (Acted("alice", "waves"), "* alice waves\n"),
    (Acted("alice", "waves\nand goes"), "* alice waves\n    | and goes\n"),
    (TopicSet("alice", "tea"), "> alice set the topic: tea\n"),
    (TopicSet("alice", ""), "> alice cleared the topic\n"),
    (Record(7, NOW, Acted("alice", "waves")), "* alice waves\n"),
    (events.Acknowledged((Numbered("a-1", "lobby", 7),)), ""),
    (events.Announced("Tea at five"), "> Announcement: Tea at five\n"),
    (events.LogRenewed("dev", 121, 617, 737), "> 121 messages that were shown are lost (617-737)\n"),
    (events.LogRenewed("dev", 0, 1, 0), ""),
    (events.Told("alice", "psst", NOW), "[alice -> you] psst\n"),
    (events.Told("alice", "psst\nhush", NOW), "[alice -> you] psst\n    | hush\n"),
    (events.ModeSet("dev", "alice", parse("+o bob")), "> alice made bob an operator of dev\n"),
    (events.ModeSet("dev", "", parse("+o bob")), "> bob is an operator of dev\n"),
    (
        events.ModeSet("dev", "alice", parse("+l-i 20")),
        "> alice set the limit of dev to 20\n> alice opened dev to users who are not invited\n",
    ),
    (events.Kicked("dev", "bob", "alice", "spam", 2), "< alice put bob out of dev (2 users online): spam\n"),
    (events.Kicked("dev", "bob", "alice", "", 1), "< alice put bob out of dev (1 user online)\n"),
    (
        events.ModesAre("dev", "+l 20", "tea", ("alice",), ("carol",)),
        "> Modes of dev: +l 20 (limit of users)\n> The key is: tea\n> Operators: alice\n> With a voice: carol\n",
    ),
    (events.ModesAre("dev", "+"), "> Modes of dev: +\n"),
    (events.ListIs("dev", "b", ("bob!*@*",)), "> These are banned from dev:\n> bob!*@*\n"),
    (events.ListIs("dev", "I", ()), "> Nobody is invited to dev\n"),
    (events.BansAre((), ()), "> Nobody is banned from this server or muted\n"),
    (
        events.BansAre(
            (events.PenaltyListed(7, ("mallory", "192.0.2.7"), "spam", 1_800_000_000.0, "alice"),),
            (events.PenaltyListed(2, ("eve",), "", 0.0, ""),),
            3,
        ),
        (
            "> 7 banned until 2027-01-15 08:00 UTC: mallory, 192.0.2.7 (by alice): spam\n"
            "> 2 muted permanently: eve\n"
            "> … and 3 older; the admin endpoint lists all\n"
        ),
    ),
    (events.Invited("dev", "alice"), "> alice invites you to dev; /join dev goes there\n"),
    (events.Skipped(1200, 1611), "> … 412 messages skipped (1200-1611), /history 1200\n"),
    (events.Skipped(7, 7), "> … 1 message skipped (7), /history 7\n"),
    (events.Left("bob", 1, "tea"), "< The user bob left (1 user online): tea\n"),
    (events.Joined("dev", 1), "> You are now in dev (1 user online)\n"),
    (events.Parted("dev"), "> You have left dev; /join ROOM enters another, or this one again\n"),
    (
        events.Found((), more=False, time=NOW),
        "> Nothing found. Search matches whole words; depl* matches deploy\n",
    ),
    (events.Named("alice"), "> You are now alice\n"),
    (events.AccountIs("alice"), ""),
    (events.SecretWanted("The secret of alice"), "> The secret of alice\n"),
    (events.TopicIs("", ""), "> There is no topic\n"),
    (events.TopicIs("tea", "bob"), "> The topic is: tea (set by bob)\n"),
    (events.Users("dev", ("alice", "bob"), 2, "bob"), "> In dev (2 users online): alice, bob (you)\n"),
    (
        events.Users("dev", ("alice", "bob"), 2, "bob", away=(("alice", "at lunch"), ("bob", "too"))),
        "> In dev (2 users online): alice (away: at lunch), bob (you, away: too)\n",
    ),
    (events.Users("dev", ("a", "b"), 1502, "z"), "> In dev (1,502 users online): a, b, and 1,500 more\n"),
    (
        events.RoomList((RoomListed("lobby", 3, "", here=False), RoomListed("dev", 1, "tea", here=True)), 2),
        "> lobby (3 users online)\n> dev (1 user online), you are here: tea\n",
    ),
    (
        events.RoomList((RoomListed("lobby", 3, "", here=False),), 1002),
        "> lobby (3 users online)\n> … and 1,001 more\n",
    ),
    (events.Pong(""), "> pong\n"),
    (events.Pong("a b"), "> pong a b\n"),
    (events.Done("Your reply went to bob"), "> Your reply went to bob\n"),
    (events.Refused(Code.BAD_COMMAND, "No."), "> No.\n"),
    (events.Slowed(5), "> You send faster than 5 lines a second; your lines are delayed, none is lost\n"),
    (events.Slowed(1), "> You send faster than 1 line a second; your lines are delayed, none is lost\n"),
    (
        events.Slowed(0.5),
        "> You send faster than 0.5 lines a second; your lines are delayed, none is lost\n",
    ),
    (events.Closing("The server is shutting down"), "> The server is shutting down\n"),
    (events.HelpText("nick"), "> /nick NAME: take a name\n"),
    (events.HelpText("dance"), "> Unknown command /dance; type /help for the list, or //dance to say it\n"),
    (events.Page((), None, NOW, asked=True), "> There are no such messages\n"),
    (events.Page((), None, NOW, asked=False), ""),
]


@pytest.mark.parametrize(("event", "text"), TOLD)
def test_an_event_looks_like_this(event: events.Event, text: str) -> None:
    assert shown(event) == text


def test_a_user_who_was_put_out_is_told_how_to_come_back() -> None:
    kicked = events.Kicked("dev", "bob", "alice", "spam", 2)

    assert plain.answer(kicked, Me("bob")).data.decode() == (
        "> alice put you out of dev: spam\n> /join dev comes back, unless you are banned there\n"
    )


def test_every_change_of_a_mode_is_said_in_words() -> None:
    for letter in LETTERS:
        for sign in "+-":
            said = shown(events.ModeSet("dev", "alice", (Change(sign == "+", letter, "WHAT"),)))
            assert "alice" in said
            assert "dev" in said
            assert ("WHAT" in said) == (LETTERS[letter][0] is not Takes.NOTHING and sign + letter not in ("-k", "-l"))


def test_every_event_is_shown_in_these_tests() -> None:
    assert {type(event) for event, _ in TOLD} == {*plain._ENCODERS, Record}


def test_help_has_a_line_for_each_command_and_for_what_begins_with_a_slash() -> None:
    lines = shown(events.HelpText("")).splitlines()

    assert len(lines) == len(SLASHES) + 1
    for line, verb in zip(lines, SLASHES.values(), strict=False):
        assert line.startswith(f"> {verb.usage} ")
        assert line.endswith(f"  {verb.help}")
        assert shown(events.HelpText(verb.name)).startswith(f"> {verb.usage}: {verb.help}")
        for alias in verb.aliases:
            assert shown(events.HelpText(alias)) == shown(events.HelpText(verb.name))
            assert f"/{alias}" in shown(events.HelpText(alias))
    assert lines[-1].startswith("> //TEXT ")
    assert max(map(len, lines)) <= 80, "a terminal has 80 columns"


# --- Old messages ----------------------------------------------------------------------------------------------------


def at(day: int, hour: int, minute: int) -> float:
    return datetime(2026, 8, day, hour, minute).timestamp()


def test_old_messages_of_today_have_their_time() -> None:
    page = events.Page(
        (
            Record(1, at(2, 12, 3), Said("alice", ("Hello", "all"))),
            Record(3, at(2, 12, 4), Acted("bob", "waves")),
            Record(4, at(2, 12, 4), TopicSet("bob", "tea")),
        ),
        None,
        NOW,
        asked=False,
    )

    assert shown(page) == (
        "12:03 [alice] Hello\n12:03 [alice] all\n12:04 * bob waves\n12:04 > bob set the topic: tea\n"
    )


def test_a_page_names_each_day_but_today_and_says_how_to_go_on() -> None:
    page = events.Page(
        (
            Record(7, at(1, 23, 59), Said("alice", ("late",))),
            Record(8, at(1, 23, 59), Said("alice", ("very late",))),
            Record(9, at(2, 0, 1), Said("alice", ("early",))),
        ),
        10,
        NOW,
        asked=True,
    )

    assert shown(page) == (
        "> Saturday, 1 August 2026\n"
        "23:59 [alice] late\n"
        "23:59 [alice] very late\n"
        "> Sunday, 2 August 2026\n"
        "00:01 [alice] early\n"
        "> … there is more: /history 10\n"
    )


def test_what_was_found_has_its_numbers() -> None:
    record = Record(7, NOW, Said("alice", ("tea", "cake")))

    told = shown(events.Found((record,), more=True, time=NOW))

    clock = f"{datetime.fromtimestamp(NOW):%H:%M}"
    assert told == (
        f"#7 {clock} [alice] tea\n#8 {clock} [alice] cake\n"
        "> … there may be older matches; add a word to narrow the search\n"
    )


def test_what_was_found_on_another_day_says_so_in_a_line_without_a_number() -> None:
    records = (
        Record(7, at(1, 23, 59), Acted("alice", "drinks tea")),
        Record(9, at(2, 0, 1), TopicSet("bob", "tea")),
    )

    assert shown(events.Found(records, more=False, time=NOW)) == (
        "> Saturday, 1 August 2026\n"
        "#7 23:59 * alice drinks tea\n"
        "> Sunday, 2 August 2026\n"
        "#9 00:01 > bob set the topic: tea\n"
    )


# --- What others wrote does no harm ----------------------------------------------------------------------------------

EVIL = "x\x1b[2J\n\r[admin] y\x9b\u202e\u2028z"

SINKS: list[events.Event] = [
    Said(EVIL, (EVIL, EVIL)),
    Acted(EVIL, EVIL),
    TopicSet(EVIL, EVIL),
    events.Entered(EVIL, 2),
    events.Left(EVIL, 2, EVIL),
    events.Parted(EVIL),
    events.Renamed(EVIL, EVIL),
    events.Away(EVIL, EVIL),
    events.Users("dev", (EVIL,), 1, "a", away=((EVIL, EVIL),)),
    events.Joined(EVIL, 2),
    events.Named(EVIL),
    events.Told(EVIL, EVIL, NOW),
    events.Done(EVIL),
    events.TopicIs(EVIL, EVIL),
    events.Users(EVIL, (EVIL, EVIL), 2, EVIL),
    events.RoomList((RoomListed(EVIL, 2, EVIL, here=True),), 1),
    events.Pong(EVIL),
    events.HelpText(EVIL),
    events.Refused(Code.BAD_NAME, EVIL),
    events.Closing(EVIL),
    events.Announced(EVIL),
    events.ModeSet(EVIL, EVIL, (Change(True, "k", EVIL),)),
    events.Kicked(EVIL, EVIL, EVIL, EVIL, 1),
    events.Invited(EVIL, EVIL),
    events.ModesAre(EVIL, EVIL, EVIL, (EVIL,), (EVIL,)),
    events.ListIs(EVIL, "b", (EVIL,)),
    events.BansAre((events.PenaltyListed(1, (EVIL,), EVIL, NOW, EVIL),), ()),
    events.Welcome(1, EVIL, "lobby", 1),
    events.Ready(EVIL),
    events.Page((Record(1, NOW, Said(EVIL, (EVIL, EVIL))),), None, NOW, asked=True),
    events.Found((Record(1, NOW, Said(EVIL, (EVIL, EVIL))),), more=True, time=NOW),
]


@pytest.mark.parametrize("event", SINKS, ids=lambda event: type(event).__name__)
def test_nothing_that_a_user_wrote_reaches_a_terminal_raw(event: events.Event) -> None:
    text = shown(event)

    assert not set(text) & set("\x1b\r\x9b\u202e\u2028")
    assert not any(line.startswith("[admin]") for line in text.splitlines())


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20), st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_each_of_several_messages_takes_one_line_and_one_message_as_many_as_it_has(name: str, texts: list[str]) -> None:
    lines = texts[0].count("\n") + 1
    for event, expected in (
        (Said(name, (*texts, "more")), len(texts) + 1),
        (TopicSet(name, texts[0]), 1),
        (Said(name, (texts[0],)), lines),
        (Acted(name, texts[0]), lines),
    ):
        data = encode(event)

        assert data.count(b"\n") == expected
        assert data.endswith(b"\n")
        assert len(data.decode().splitlines()) == expected


# --- Several lines of one text ---------------------------------------------------------------------------------------

# What looks like lines of other people, of the server, or like another line of what they say.
FORGERIES = [
    "[bob] hi",
    "    | hi",
    "   | hi",
    "> Announcement: hi",
    "< The user bob left",
    "* bob waves",
    "12:03 [bob] hi",
]
PART = st.one_of(st.sampled_from(FORGERIES), st.text(st.characters(codec="utf-8"), max_size=6))
ONE_LINE = st.tuples(PART, st.sampled_from("\r\x0b\x0c\x1c\x1e\x85\u2028\u2029"), PART).map(
    lambda parts: "".join(parts).replace("\n", "")
)
TEXT = st.lists(ONE_LINE, min_size=1, max_size=4).map("\n".join)
TOLD_TO_ALL = st.one_of(
    TEXT.map(lambda text: Said("alice", (text,))),
    st.lists(ONE_LINE, min_size=2, max_size=3).map(lambda texts: Said("alice", tuple(texts))),
    TEXT.map(lambda text: Acted("alice", text)),
    TEXT.map(lambda text: TopicSet("alice", text)),
    TEXT.map(lambda text: events.Told("alice", text, NOW)),
    TEXT.map(events.Announced),
    st.just(events.Left("carol", 2)),
)


def wholes(lines: str) -> list[str]:
    """Return what a reader takes for one message or notice each: a line, and those below it that go on."""
    found: list[str] = []
    for line in lines.splitlines(keepends=True):
        if line.startswith(sentences.CONTINUES):
            found[-1] += line
        else:
            found.append(line)
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(TOLD_TO_ALL, max_size=5))
def test_a_reader_can_tell_which_lines_belong_together_whatever_people_say(told: list[events.Event]) -> None:
    parts: list[events.Event] = []
    for event in told:
        parts += [Said(event.name, (text,)) for text in event.texts] if isinstance(event, Said) else [event]

    assert wholes("".join(map(shown, told))) == list(map(shown, parts))
    begins = {Said: "[alice] ", Acted: "* alice ", events.Told: "[alice -> you] ", events.Left: "< The user carol left"}
    for part in parts:
        assert shown(part).startswith(begins.get(type(part), "> "))


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_every_line_of_a_text_is_shown_as_it_would_be_alone(text: str) -> None:
    first, *further = shown(Said("alice", (text,))).splitlines()

    assert [f"[alice] {line.removeprefix(sentences.CONTINUES)}" for line in further] == [
        shown(Said("alice", (line,))).rstrip("\n") for line in text.split("\n")[1:]
    ]
    assert first == shown(Said("alice", (text.partition("\n")[0],))).rstrip("\n")


def test_in_the_history_only_the_first_line_of_a_text_has_the_time_and_the_number() -> None:
    records = (Record(7, NOW, Said("alice", ("one\ntwo",))), Record(8, NOW, Said("bob", ("a", "b"))))

    assert shown(events.Page(records, None, NOW, asked=True)) == (
        "12:05 [alice] one\n    | two\n12:05 [bob] a\n12:05 [bob] b\n"
    )
    assert shown(events.Found(records, more=False, time=NOW)) == (
        "#7 12:05 [alice] one\n    | two\n#8 12:05 [bob] a\n#9 12:05 [bob] b\n"
    )
