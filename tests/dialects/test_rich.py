"""The rich dialect: what each line asks, and how everything that is told looks."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.dialects import rich, rich_json
from gchat.dialects.rich import encode
from gchat.dialects.rich_requests import AnyRequest, TopicRequest
from gchat.model import commands, events
from gchat.model.audience import Where
from gchat.model.errors import Code, Refusal
from gchat.model.events import RoomListed
from gchat.model.hello import Hello, ResumePoint
from gchat.model.messages import Acted, Numbered, Record, Said, TopicSet
from gchat.model.modes import Change, parse

NOW = 1_795_600_000.125
TIME = "2026-11-25T09:46:40.125Z"


def decode(lines: list[bytes]) -> list[commands.Command]:
    return rich.decode(lines, 8192)


ASKED = [
    ('{"type":"say","text":"hello"}', commands.Say(("hello",))),
    ('{"type":"say","text":"hello","id":"1"}', commands.Say(("hello",), ("1",))),
    ('{"type":"say","text":"/nick x"}', commands.Say(("/nick x",))),
    ('{"type":"act","text":"waves","id":"1"}', commands.Act("waves", id="1")),
    ('{"type":"tell","to":"bob","text":"psst"}', commands.Tell("bob", "psst")),
    ('{"type":"nick","nick":"alice","new field":1}', commands.Nick("alice")),
    ('{"type":"join","room":"dev"}', commands.Join("dev")),
    (
        '{"type":"join","room":"dev","after":{"epoch":"e","seq":3}}',
        commands.Join("dev", ResumePoint("e", 3)),
    ),
    ('{"type":"join","room":"dev","key":"tea"}', commands.Join("dev", key="tea")),
    ('{"type":"kick","name":"bob","reason":"spam","id":"k"}', commands.Kick("bob", "spam", id="k")),
    ('{"type":"invite","name":"bob"}', commands.Invite("bob")),
    ('{"type":"mode"}', commands.Mode()),
    (
        '{"type":"ban","whom":"bob","for_s":600,"reason":"spam","force":true}',
        commands.Ban("bob", 600, "spam", force=True),
    ),
    ('{"type":"unban","which":"7"}', commands.Unban("7")),
    ('{"type":"bans","id":"b"}', commands.Bans(id="b")),
    ('{"type":"mute","name":"bob"}', commands.Mute("bob")),
    ('{"type":"unmute","which":"bob"}', commands.Unmute("bob")),
    ('{"type":"kill","name":"bob","reason":"spam"}', commands.Kill("bob", "spam")),
    ('{"type":"announce","text":"tea"}', commands.AnnounceToAll("tea")),
    ('{"type":"mode","change":"+k tea"}', commands.Mode("+k tea")),
    ('{"type":"topic","text":"tea"}', commands.Topic("tea")),
    ('{"type":"topic"}', commands.Topic()),
    ('{"type":"topic","text":""}', commands.Topic("")),
    ('{"type":"join","room":"dev","leave":"current"}', commands.Join("dev", leave="current")),
    ('{"type":"part"}', commands.Part()),
    ('{"type":"part","room":"dev","reason":"tea","id":"p"}', commands.Part(room="dev", reason="tea", id="p")),
    ('{"type":"say","text":"x","room":"dev"}', commands.Say(("x",), room="dev")),
    ('{"type":"act","text":"x","room":"dev"}', commands.Act("x", room="dev")),
    ('{"type":"topic","room":"dev"}', commands.Topic(room="dev")),
    ('{"type":"who","room":"dev"}', commands.Who(room="dev")),
    ('{"type":"history","after":30,"room":"dev"}', commands.History(commands.From(31), 100, room="dev")),
    ('{"type":"search","text":"tea","room":"dev"}', commands.Search("tea", 20, room="dev")),
    ('{"type":"register","secret":"tea4two!","id":"r"}', commands.Register("", "tea4two!", id="r")),
    ('{"type":"register","nick":"alice","secret":"tea4two!"}', commands.Register("alice", "tea4two!")),
    ('{"type":"login","nick":"alice","secret":"tea4two!","id":"l"}', commands.Login("alice", "tea4two!", id="l")),
    ('{"type":"logout","id":"o"}', commands.Logout(id="o")),
    ('{"type":"passwd","secret":"tea4two!","new":"tea4three"}', commands.Passwd("tea4two!", "tea4three")),
    ('{"type":"unregister","secret":"tea4two!"}', commands.Unregister("", "tea4two!")),
    ('{"type":"who"}', commands.Who()),
    ('{"type":"away","reason":"at lunch","id":"1"}', commands.BeAway("at lunch", id="1")),
    ('{"type":"away"}', commands.BeAway()),
    ('{"type":"rooms"}', commands.Rooms()),
    ('{"type":"history"}', commands.History(commands.Before(), 100)),
    ('{"type":"history","before":30,"limit":5}', commands.History(commands.Before(30), 5)),
    ('{"type":"history","after":30,"limit":5}', commands.History(commands.From(31), 5)),
    ('{"type":"search","text":"tea"}', commands.Search("tea", 20)),
    ('{"type":"search","text":"tea cak*","limit":5,"id":"s"}', commands.Search("tea cak*", 5, id="s")),
    ('{"type":"ping","id":"p"}', commands.Ping("p")),
    ('{"type":"quit"}', commands.Quit()),
]


@pytest.mark.parametrize(("line", "command"), ASKED)
def test_a_line_asks(line: str, command: commands.Command) -> None:
    assert decode([line.encode()]) == [command]


def test_consecutive_messages_are_taken_together_and_keep_their_order_and_ids() -> None:
    lines = [
        b'{"type":"say","text":"a"}',
        b"  ",
        b'{"type":"say","text":"b","id":"2"}',
        b"nope",
        b'{"type":"say","text":"c"}',
        b'{"type":"who"}',
    ]
    first, mistake, *rest = decode(lines)

    assert first == commands.Say(("a", "b"), ("", "2"))
    assert isinstance(mistake, commands.Mistake)
    assert rest == [commands.Say(("c",)), commands.Who()]


def test_messages_to_different_rooms_are_not_taken_together() -> None:
    lines = [f'{{"type":"say","text":"{text}","room":"{room}"}}'.encode() for text, room in ("a1", "b1", "c2")]

    assert decode(lines) == [commands.Say(("a", "b"), room="1"), commands.Say(("c",), room="2")]


@pytest.mark.parametrize("line", [b'"text":" \\t"', b'"text":""', b'"text":"tea","limit":0', b'"limit":5', b'"text":7'])
def test_a_search_without_words_or_for_nothing_is_refused_with_its_id(line: bytes) -> None:
    (mistake,) = decode([b'{"type":"search","id":"s",' + line + b"}"])

    assert isinstance(mistake, commands.Mistake)
    assert mistake.id == "s"


@pytest.mark.parametrize("kind", ["say", "act", "tell"])
@pytest.mark.parametrize("text", ["x" * 11, "é" * 6, "\U0001f600" * 3])
def test_a_text_that_is_too_long_is_refused_with_its_id_and_the_others_are_said(kind: str, text: str) -> None:
    def line(said: str, *, is_ascii: bool) -> bytes:
        return json.dumps({"type": kind, "id": "i", "text": said, "to": "bob"}, ensure_ascii=is_ascii).encode()

    for is_ascii in (True, False):
        before, mistake, after = rich.decode([line(said, is_ascii=is_ascii) for said in ("a", text, "é" * 5)], 10)

        assert isinstance(mistake, commands.Mistake)
        assert (mistake.refusal.code, mistake.id) == (Code.LINE_TOO_LONG, "i")
        assert type(before) is type(after) is not commands.Mistake


@pytest.mark.parametrize("kind", ["say", "act", "tell"])
def test_a_text_may_have_a_hundred_lines_and_no_more(kind: str) -> None:
    def line(said: str) -> bytes:
        return json.dumps({"type": kind, "id": "i", "text": said, "to": "bob"}).encode()

    few, many, mistake = decode([line("one\r\ntwo\n"), line("\n".join(["x"] * 100)), line("\n".join(["x"] * 101))])

    assert _text(few) == "one\ntwo"
    assert _text(many).count("\n") == 99
    assert isinstance(mistake, commands.Mistake)
    assert (mistake.refusal.code, mistake.id) == (Code.TOO_MANY_LINES, "i")
    assert mistake.refusal.message == "Not sent: the text has 101 lines, the limit is 100"


def _text(command: commands.Command) -> str:
    return command.texts[0] if isinstance(command, commands.Say) else str(getattr(command, "text"))  # noqa: B009


def test_a_text_of_several_lines_is_said_alone_in_its_place() -> None:
    said = [json.dumps({"type": "say", "text": text, "id": text[0]}).encode() for text in ("a", "b\n", "c\nd", "e")]

    assert decode(said) == [
        commands.Say(("a", "b"), ("a", "b")),
        commands.Say(("c\nd",), ("c",)),
        commands.Say(("e",), ("e",)),
    ]


@pytest.mark.parametrize(("lines", "price"), [(1, 1), (2, 2), (5, 2), (6, 3), (100, 26)])
def test_the_further_lines_of_a_text_are_paid_for(lines: int, price: int) -> None:
    decoder = rich.decoder(8192)
    for kind in ("say", "act", "tell"):
        data = json.dumps({"type": kind, "text": "\n".join(["x"] * lines), "to": "bob"}).encode() + b"\n"
        assert decoder.take(10, data)[0] == price
    assert decoder.take(10, b'{"type":"say","text":"a"}\n{"type":"say","text":"b"}\n')[0] == 2


INVISIBLE = ["\u200b", "\ufeff", "\u00ad", "\u2800", "\u3164", " \u3000\t", "\u115f\uffa0", "\u200d\u200e\ufe0f"]


@pytest.mark.parametrize("text", INVISIBLE)
@pytest.mark.parametrize("kind", ["say", "act", "tell", "topic", "search"])
def test_a_text_in_which_nothing_is_visible_is_refused_with_its_id(kind: str, text: str) -> None:
    line = json.dumps({"type": kind, "id": "i", "text": text, "to": "bob"}).encode()
    (mistake,) = decode([line])

    assert isinstance(mistake, commands.Mistake)
    assert (mistake.refusal.message, mistake.id) == ("The text is empty", "i")


def test_a_topic_is_asked_for_cleared_or_set() -> None:
    lines = [b'{"type":"topic"}', b'{"type":"topic","text":null}', b'{"type":"topic","text":""}']

    assert decode(lines) == [commands.Topic(None), commands.Topic(None), commands.Topic("")]
    assert decode([rich_json.lines([TopicRequest(text="")]), rich_json.lines([TopicRequest()])]) == [
        commands.Topic(""),
        commands.Topic(None),
    ]


def test_every_request_has_its_command_here() -> None:
    kinds = {json.loads(line)["type"] for line, _ in ASKED}

    assert kinds == {str(kind.__struct_config__.tag) for kind in AnyRequest.__args__}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_are_an_error(line: bytes) -> None:
    decode([line])
    with contextlib.suppress(Refusal):
        rich.hello(rich_json.HELLO + b" " + line)


NESTED = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "line",
    [b'{"type":"say","text":"x","y":' + NESTED + b"}", b'{"y":' + NESTED + b',"type":"dance","id":"q"}'],
    ids=["behind", "before"],
)
def test_what_is_nested_too_deeply_is_refused(line: bytes) -> None:
    (mistake,) = decode([line])

    assert isinstance(mistake, commands.Mistake)
    with pytest.raises(ValueError, match="nested too deeply"):
        rich_json.event(line)
    with pytest.raises(Refusal, match="nested too deeply"):
        rich.hello(rich_json.HELLO + b" " + line)


def test_an_opening_is_told_from_what_stands_behind_it() -> None:
    assert rich.hello(b'GCHAT/1 {"nick":"a"}\nrest\n') == (Hello(nick="a"), b"rest\n")
    assert rich.hello(b"GCHAT/1\r\n") == (Hello(), b"")
    for plain in (b"", b"hello\n", b"GCHAT\n", b"gchat/1\n", b"\nGCHAT/1\n"):
        assert rich.hello(plain) == (None, plain)


@pytest.mark.parametrize("line", [b"GCHAT/2 {}", b"GCHAT/10", b"GCHAT/1.1 {}", b"GCHAT/", b"GCHAT/x"])
def test_another_version_is_refused_and_told_which_one_is_spoken_here(line: bytes) -> None:
    with pytest.raises(Refusal, match="this server speaks GCHAT/1"):
        rich.hello(line + b"\n")


@pytest.mark.parametrize("line", [b'GCHAT/1{"nick":"a"}', b'GCHAT/1\t{"nick":"a"}', b'GCHAT/1  {"nick":"a"} \r'])
def test_white_space_does_not_matter_in_an_opening(line: bytes) -> None:
    assert rich.hello(line + b"\n") == (Hello(nick="a"), b"")


ROOM = "lobby"
TOLD: list[tuple[events.Event, list[dict[str, object]]]] = [
    (
        Record(7, NOW, Said("alice", ("a", "b"), ("", "x"))),
        [
            {"type": "said", "room": ROOM, "seq": 7, "time": TIME, "from": "alice", "text": "a"},
            {"type": "said", "room": ROOM, "seq": 8, "time": TIME, "from": "alice", "text": "b", "id": "x"},
        ],
    ),
    (
        Record(7, NOW, Acted("alice", "waves", "x")),
        [{"type": "acted", "room": ROOM, "seq": 7, "time": TIME, "from": "alice", "text": "waves", "id": "x"}],
    ),
    (
        Record(7, NOW, TopicSet("alice", "tea")),
        [{"type": "topic", "room": ROOM, "seq": 7, "time": TIME, "from": "alice", "text": "tea"}],
    ),
    (events.TopicIs("tea", "alice"), [{"type": "topic", "room": ROOM, "from": "alice", "text": "tea"}]),
    (events.Entered("bob", 2), [{"type": "entered", "room": ROOM, "who": "bob", "online": 2}]),
    (events.Left("bob", 1, "tea"), [{"type": "left", "room": ROOM, "who": "bob", "online": 1, "reason": "tea"}]),
    (events.Left("bob", 1), [{"type": "left", "room": ROOM, "who": "bob", "online": 1}]),
    (events.Renamed("bob", "rob"), [{"type": "renamed", "room": ROOM, "who": "bob", "nick": "rob"}]),
    (events.Crowd(events.Entered, 57, 60), [{"type": "entered", "room": ROOM, "count": 57, "online": 60}]),
    (events.Crowd(events.Left, 57, 3), [{"type": "left", "room": ROOM, "count": 57, "online": 3}]),
    (events.Away("bob", "at lunch"), [{"type": "away", "room": ROOM, "who": "bob", "reason": "at lunch"}]),
    (events.Away("bob", ""), [{"type": "away", "room": ROOM, "who": "bob"}]),
    (events.Crowd(events.Away, 57, 3), [{"type": "away", "room": ROOM, "count": 57}]),
    (events.Crowd(events.Renamed, 57, 3), [{"type": "renamed", "room": ROOM, "count": 57}]),
    (
        events.Welcome(2, "Be\nkind", ROOM, 5, "alice", "t", (("burst", 40.0),), "e", 3),
        [
            {
                "type": "welcome",
                "server": "gchat",
                "session": "5",
                "token": "t",
                "nick": "alice",
                "room": ROOM,
                "epoch": "e",
                "seq": 3,
                "online": 2,
                "limits": {"burst": 40.0},
                "motd": "Be\nkind",
            }
        ],
    ),
    (events.Ready("[You] ", 3), [{"type": "live", "room": ROOM, "seq": 3}]),
    (events.Parted("dev", "p"), [{"type": "parted", "room": "dev", "id": "p"}]),
    (events.Joined("dev", 2, "e", 3), [{"type": "joined", "room": "dev", "epoch": "e", "seq": 3, "online": 2}]),
    (
        events.Page((Record(7, NOW, Acted("a", "b")),), None, NOW, asked=True, id="h", end=False),
        [
            {
                "type": "page",
                "room": ROOM,
                "end": False,
                "id": "h",
                "events": [{"type": "acted", "room": ROOM, "seq": 7, "time": TIME, "from": "a", "text": "b"}],
            }
        ],
    ),
    (
        events.Page((Record(7, NOW, Acted("a", "b")),), None, NOW, asked=False),
        [{"type": "acted", "room": ROOM, "seq": 7, "time": TIME, "from": "a", "text": "b"}],
    ),
    (
        events.Found((Record(7, NOW, Acted("a", "b")),), more=True, time=NOW, id="h"),
        [
            {
                "type": "found",
                "room": ROOM,
                "end": False,
                "id": "h",
                "events": [{"type": "acted", "room": ROOM, "seq": 7, "time": TIME, "from": "a", "text": "b"}],
            }
        ],
    ),
    (events.Told("alice", "psst", NOW), [{"type": "told", "from": "alice", "time": TIME, "text": "psst"}]),
    (
        events.Acknowledged((Numbered("a", ROOM, 7), Numbered("t"))),
        [{"type": "ack", "id": "a", "room": ROOM, "seq": 7}, {"type": "ack", "id": "t"}],
    ),
    (events.Announced("tea"), [{"type": "announced", "room": ROOM, "text": "tea"}]),
    (
        events.LogRenewed(ROOM, 1, 8, 8, 3, "e.2", 7),
        [
            {"type": "announced", "room": ROOM, "text": "1 message that was shown is lost (8)"},
            {"type": "joined", "room": ROOM, "epoch": "e.2", "seq": 7, "online": 3},
            {"type": "live", "room": ROOM, "seq": 7},
        ],
    ),
    (
        events.ModeSet("dev", "alice", parse("+k-i tea")),
        [{"type": "mode", "room": "dev", "by": "alice", "change": "+k-i tea"}],
    ),
    (events.ModeSet("dev", "", parse("+o bob")), [{"type": "mode", "room": "dev", "change": "+o bob"}]),
    (
        events.Kicked("dev", "bob", "alice", "spam", 2),
        [{"type": "kicked", "room": "dev", "who": "bob", "by": "alice", "reason": "spam", "online": 2}],
    ),
    (events.Invited("dev", "alice"), [{"type": "invited", "room": "dev", "by": "alice"}]),
    (
        events.ModesAre("dev", "+k", "tea", ("alice",), ("bob",), id="m"),
        [
            {
                "type": "modes",
                "room": "dev",
                "modes": "+k",
                "key": "tea",
                "operators": ["alice"],
                "voices": ["bob"],
                "id": "m",
            }
        ],
    ),
    (
        events.BansAre((events.PenaltyListed(7, ("mallory",), "spam", 1_800_000_000.0, "alice"),), (), id="b"),
        [
            {
                "type": "bans",
                "bans": [
                    {
                        "id": 7,
                        "whom": ["mallory"],
                        "reason": "spam",
                        "until": "2027-01-15T08:00:00.000Z",
                        "by": "alice",
                    }
                ],
                "mutes": [],
                "id": "b",
            }
        ],
    ),
    (events.ListIs("dev", "b", ("bob!*@*",)), [{"type": "list", "room": "dev", "list": "b", "masks": ["bob!*@*"]}]),
    (events.Named("alice"), [{"type": "named", "nick": "alice"}]),
    (events.AccountIs("alice"), [{"type": "account", "account": "alice"}]),
    (
        events.Refused(Code.TOO_MANY_TRIES, "no", "7", 2.5),
        [{"type": "refused", "code": "too_many_tries", "message": "no", "id": "7", "retry_after_s": 2.5}],
    ),
    (
        events.Users(ROOM, ("a", "b"), 2, "a", away=(("b", "at lunch"),)),
        [{"type": "users", "room": ROOM, "users": ["a", "b"], "total": 2, "you": "a", "away": {"b": "at lunch"}}],
    ),
    (
        events.Users(ROOM, ("a", "b"), 3, "a"),
        [{"type": "users", "room": ROOM, "users": ["a", "b"], "total": 3, "you": "a"}],
    ),
    (
        events.RoomList((RoomListed("dev", 2, "bugs", here=True, seq=7), RoomListed("x", 1, "", here=False)), 2),
        [
            {
                "type": "rooms",
                "total": 2,
                "rooms": [
                    {"name": "dev", "members": 2, "topic": "bugs", "seq": 7, "here": True},
                    {"name": "x", "members": 1},
                ],
            }
        ],
    ),
    (events.Pong("p"), [{"type": "pong", "id": "p"}]),
    (
        events.Refused(Code.BAD_NAME, "No", "r"),
        [{"type": "refused", "code": "bad_name", "message": "No", "id": "r"}],
    ),
    (events.Done("You are here", "d"), [{"type": "done", "message": "You are here", "id": "d"}]),
    (events.Slowed(5), [{"type": "slowed", "messages_per_s": 5.0}]),
    (
        events.Slowed(5, bytes_per_s=2000, together=True),
        [{"type": "slowed", "messages_per_s": 5.0, "bytes_per_s": 2000.0, "together": True}],
    ),
    (events.Skipped(3, 9), [{"type": "gap", "room": ROOM, "from": 3, "to": 9}]),
    (events.Closing("Goodbye", "quit"), [{"type": "closing", "reason": "Goodbye", "code": "quit"}]),
]


@pytest.mark.parametrize(("event", "lines"), TOLD, ids=lambda value: type(value).__name__)
def test_an_event_looks_like(event: events.Event, lines: list[dict[str, object]]) -> None:
    data = encode(event, Where(ROOM))

    assert [json.loads(line) for line in data.splitlines()] == lines
    assert all(rich_json.event(line) is not None for line in data.splitlines()), "a client understands it"


def test_every_event_that_a_rich_user_can_get_is_shown_here_and_every_line_that_clients_know() -> None:
    assert {type(event) for event, _ in TOLD} == set(rich._ENCODERS)
    assert {line["type"] for _, lines in TOLD for line in lines} == rich_json.EVENT_TYPES


def test_the_lines_of_a_text_have_lf_between_them_and_nothing_else_does() -> None:
    (line,) = encode(Record(1, NOW, Said("a\nb", ("one\ntwo\rthree\u2028",))), Where(ROOM)).splitlines()

    told = json.loads(line)
    assert (told["from"], told["text"]) == ("a\\x0ab", "one\ntwo\\x0dthree\\u2028")


EVIL = 'x"\\\x1b[2J\r[admin] y\x9b\u202e\u2028z'


@pytest.mark.parametrize(
    "event",
    [
        Record(1, NOW, Said(EVIL, (EVIL, EVIL))),
        Record(1, NOW, Acted(EVIL, EVIL)),
        events.Entered(EVIL, 2),
        events.Left(EVIL, 2, EVIL),
        events.Renamed(EVIL, EVIL),
        events.Away(EVIL, EVIL),
        events.TopicIs(EVIL, EVIL),
        events.Told(EVIL, EVIL, NOW),
        events.Users(ROOM, (EVIL,), 1, "a", away=((EVIL, EVIL),)),
        events.RoomList((RoomListed(ROOM, 1, EVIL, here=True),), 1),
        events.Refused(Code.BAD_NAME, EVIL),
        events.Closing(EVIL),
        events.Announced(EVIL),
        events.ModeSet(ROOM, EVIL, (Change(True, "o", EVIL),)),
        events.Kicked(ROOM, EVIL, EVIL, EVIL, 1),
        events.Invited(ROOM, EVIL),
        events.ModesAre(ROOM, "+k", "tea", (EVIL,), (EVIL,)),
        events.ListIs(ROOM, "b", (EVIL,)),
        events.BansAre((), (events.PenaltyListed(1, (EVIL,), EVIL, NOW, EVIL),)),
        events.Page((Record(1, NOW, Said(EVIL, (EVIL,))),), None, NOW, asked=True),
        events.Found((Record(1, NOW, Said(EVIL, (EVIL,))),), more=True, time=NOW),
    ],
    ids=lambda event: type(event).__name__,
)
def test_nothing_that_a_user_wrote_could_do_anything_to_a_terminal(event: events.Event) -> None:
    for line in encode(event, Where(ROOM)).splitlines():
        shown = json.dumps(json.loads(line), ensure_ascii=False)
        assert not set(shown) & set("\x1b\r\n\x9b\u202e\u2028")
        assert "\\u00" not in shown
        assert "\\n" not in shown


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20), st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_a_message_takes_as_many_lines_as_it_has_numbers(name: str, texts: list[str]) -> None:
    said = Record(3, NOW, Said(name, tuple(texts)))
    lines = encode(said, Where(ROOM)).split(b"\n")

    assert lines.pop() == b""
    assert [json.loads(line)["seq"] for line in lines] == list(range(3, 3 + len(texts)))


def test_a_type_that_is_not_known_is_nothing_and_a_known_one_that_is_wrong_is_an_error() -> None:
    assert rich_json.event(b'{"type":"of tomorrow","x":1}') is None
    for wrong in (b'{"type":"said"}', b"nope", b"[]", b"7"):
        with pytest.raises(ValueError, match=r"\w"):
            rich_json.event(wrong)
