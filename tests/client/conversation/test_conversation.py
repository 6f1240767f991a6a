"""The conversation: transcripts of what is heard and shown, and a server whose connections are cut anywhere."""

from __future__ import annotations

from copy import copy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Back, Delivered, NewLog, Notice, Sent
from gchat.dialects import rich_json
from gchat.dialects.rich_events import (
    AckEvent,
    AnyEvent,
    DoneEvent,
    EnteredEvent,
    FoundEvent,
    GapEvent,
    JoinedEvent,
    KickedEvent,
    LeftEvent,
    ListEvent,
    LiveEvent,
    ModesEvent,
    NamedEvent,
    PageEvent,
    PartedEvent,
    RefusedEvent,
    RenamedEvent,
    RoomInfo,
    RoomListEvent,
    SaidEvent,
    TopicSetEvent,
    UsersEvent,
    WelcomeEvent,
)
from gchat.dialects.rich_requests import (
    ActRequest,
    HistoryRequest,
    JoinRequest,
    ModeRequest,
    NickRequest,
    PingRequest,
    RoomsRequest,
    SayRequest,
    SearchRequest,
    TellRequest,
    TopicRequest,
    WhoRequest,
)
from gchat.model.errors import LineTooLong
from gchat.model.hello import Hello, ResumePoint, WantedRoom
from tests.client.fake_server import TIME, Chat, Peer

TOKEN = "0123456789abcdef"


def welcome(seq: int = 0, epoch: str = "e", room: str = "lobby", nick: str = "alice") -> WelcomeEvent:
    return WelcomeEvent(
        server="s", session="1", token=TOKEN, nick=nick, room=room, epoch=epoch, seq=seq, online=3, limits={}
    )


def said(seq: int, text: str = "", id_: str = "", from_: str = "bob", room: str = "lobby") -> SaidEvent:
    return SaidEvent(room=room, seq=seq, time=TIME, from_=from_, text=text or f"text {seq}", id=id_)


def live(seq: int, room: str = "lobby") -> LiveEvent:
    return LiveEvent(room=room, seq=seq)


def gap(first: int, last: int) -> GapEvent:
    return GapEvent(room="lobby", range_from=first, range_to=last)


def hear(conversation: Conversation, *events: AnyEvent) -> list[Notice]:
    return [notice for event in events for notice in conversation.hears(event)]


def alice_live_at(seq: int) -> Conversation:
    alice = Conversation("a", nick="alice")
    hear(alice, welcome(seq), live(seq))
    return alice


# --- Opening ---------------------------------------------------------------------------------------------------------


def test_the_first_opening_says_who_one_wants_to_be() -> None:
    assert Conversation("a", nick="alice", room="dev", replay=5).hello() == Hello(nick="alice", room="dev", replay=5)


def test_the_next_opening_goes_on_behind_what_was_seen() -> None:
    alice = alice_live_at(4)
    hear(alice, said(5))
    alice.lost()

    assert alice.hello() == Hello(nick="alice", room="lobby", token=TOKEN, after=ResumePoint("e", 5))


def test_a_nick_that_was_not_to_be_had_is_asked_for_again_and_no_address_ever() -> None:
    alice = Conversation("a", nick="alice")
    hear(
        alice,
        welcome(nick="127.0.0.1:5000"),
        RefusedEvent(code="name_taken", message="alice is taken"),
        live(0),
    )
    alice.lost()

    assert alice.nick == "127.0.0.1:5000"
    assert alice.hello().nick == "alice"


def test_a_nick_that_was_taken_later_is_the_one_asked_for() -> None:
    alice = alice_live_at(0)
    hear(alice, NamedEvent(nick="carol", id=alice.ask(NickRequest(nick="carol"))))

    assert alice.nick == alice.hello().nick == "carol"
    assert not alice.pending


# --- The nick and the room -------------------------------------------------------------------------------------------

ADDRESS = "127.0.0.1:5000"


def taken(nick: str, id_: str = "") -> RefusedEvent:
    return RefusedEvent(code="name_taken", message=f"{nick} is taken", id=id_)


def left(who: str, count: int = 1) -> LeftEvent:
    return LeftEvent(room="lobby", who=who, online=2, count=count)


def asked(conversation: Conversation) -> tuple[str, str]:
    """Return the one nick or room that is asked for now, and the request's id."""
    (request,) = conversation.outgoing()
    assert isinstance(request, NickRequest | JoinRequest)
    return (request.nick if isinstance(request, NickRequest) else request.room), request.id


def nameless() -> Conversation:
    alice = Conversation("a", nick="alice")
    alice.hello()
    assert hear(alice, welcome(nick=ADDRESS), live(0), taken("alice"))[-1] == taken("alice")
    return alice


@pytest.mark.parametrize("event", [left("alice"), left("", 9), RenamedEvent(room="lobby", who="alice", nick="al")])
def test_a_nick_that_was_taken_is_asked_for_again_when_its_holder_is_gone(
    event: LeftEvent | RenamedEvent,
) -> None:
    alice = nameless()
    assert hear(alice, left("bob")) == [left("bob")]
    assert alice.outgoing() == []
    hear(alice, event)
    nick, id_ = asked(alice)
    named = NamedEvent(nick="alice", id=id_)

    assert nick == "alice"
    assert hear(alice, named) == [named]
    assert alice.nick == "alice"
    alice.remind()
    assert alice.outgoing() == []


def test_a_nick_that_is_still_taken_is_asked_for_once_a_reminder_and_quietly() -> None:
    alice = nameless()
    for _ in range(3):
        alice.remind()
        alice.remind()
        nick, id_ = asked(alice)
        assert nick == "alice"
        assert hear(alice, taken("alice", id_)) == []
    assert not alice.pending


def test_a_nick_that_cannot_be_is_not_asked_for_again() -> None:
    alice = nameless()
    alice.remind()
    _, id_ = asked(alice)
    hear(alice, RefusedEvent(code="banned", message="banned", id=id_))
    alice.remind()
    assert alice.outgoing() == []


def test_a_user_who_took_another_nick_meanwhile_keeps_it() -> None:
    alice = nameless()
    hear(alice, NamedEvent(nick="carol", id=alice.ask(NickRequest(nick="carol"))))
    alice.outgoing()
    hear(alice, left("alice"))
    assert alice.outgoing() == []


def test_a_nick_that_the_server_spells_in_another_way_is_granted() -> None:
    for wanted, given in [("alice", "alice"), ("ALICE", "alice"), ("ａｌｉｃｅ", "alice"), ("", ADDRESS)]:
        alice = Conversation("a", nick=wanted, strict=True)
        alice.hello()
        hear(alice, welcome(nick=given), live(0))
        assert alice.connected


def test_a_strict_conversation_says_nothing_until_the_nick_is_granted_and_is_denied_otherwise() -> None:
    alice = Conversation("a", nick="alice", strict=True)
    alice.say("hi")
    alice.hello()
    assert hear(alice, welcome(nick=ADDRESS), live(0), taken("alice")) == [welcome(nick=ADDRESS), live(0)]
    nick, id_ = asked(alice)
    assert nick == "alice"
    assert hear(alice, taken("alice", id_)) == []
    assert alice.denied == "alice is taken"
    assert not alice.connected
    assert alice.outgoing() == []


def test_a_strict_conversation_says_nothing_in_another_room() -> None:
    alice = Conversation("a", room="a b", strict=True)
    alice.say("hi")
    alice.hello()
    hear(alice, welcome(), live(0))
    room, id_ = asked(alice)
    assert room == "a b"
    hear(alice, RefusedEvent(code="bad_name", message="no room", id=id_))
    assert alice.denied == "no room"
    assert alice.outgoing() == []


def test_a_strict_conversation_goes_on_in_a_room_that_is_granted_after_all() -> None:
    alice = Conversation("a", room="dev", strict=True)
    said_id = alice.say("hi")
    alice.hello()
    hear(alice, welcome(), live(0))
    _, id_ = asked(alice)
    hear(alice, JoinedEvent(room="dev", epoch="d", seq=7, online=1, id=id_), live(7, room="dev"))
    assert [request.id for request in alice.outgoing()] == [said_id]
    assert alice.room == "dev"


@pytest.mark.parametrize("strict", [True, False])
def test_with_a_suffix_the_first_free_one_is_taken_before_anything_is_said(strict: bool) -> None:
    ci = Conversation("a", nick="ci", strict=strict, suffix=True)
    said_id = ci.say("hi")
    ci.hello()
    hear(ci, welcome(nick=ADDRESS), live(0), taken("ci"))
    for expected in ("ci", "ci-2", "ci-3"):
        nick, id_ = asked(ci)
        assert nick == expected
        if nick != "ci-3":
            hear(ci, taken(nick, id_))
    hear(ci, NamedEvent(nick="ci-3", id=id_))
    assert ci.nick == "ci-3"
    assert [request.id for request in ci.outgoing()] == [said_id]
    ci.lost()
    assert ci.hello().nick == "ci-3"


def test_suffixes_come_to_an_end() -> None:
    ci = Conversation("a", nick="ci", strict=True, suffix=True)
    ci.hello()
    hear(ci, welcome(nick=ADDRESS), live(0))
    while not ci.denied:
        nick, id_ = asked(ci)
        hear(ci, taken(nick, id_))
    assert nick == "ci-99"


def test_a_place_given_without_a_room_is_of_the_room_that_one_is_let_into() -> None:
    bot = Conversation("a", token=TOKEN, after=ResumePoint("e", 7))

    assert hear(bot, welcome(9), said(8), said(9), live(9)) == [welcome(9), said(8), said(9), live(9)]


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_what_is_replayed_first_has_no_hole_before_it() -> None:
    assert hear(Conversation("a"), welcome(9), said(8), said(9), live(9), said(10)) == [
        welcome(9),
        said(8),
        said(9),
        live(9),
        said(10),
    ]


def test_a_repeated_number_is_dropped() -> None:
    alice = alice_live_at(4)

    assert hear(alice, said(5), said(5, "other"), said(3), said(6)) == [said(5), said(6)]


def test_a_hole_that_nothing_explains_becomes_a_gap() -> None:
    alice = alice_live_at(4)

    assert hear(alice, said(8)) == [gap(5, 7), said(8)]


def test_a_hole_before_an_ack_becomes_a_gap() -> None:
    alice = alice_live_at(4)
    id_ = alice.say("hi")

    assert hear(alice, AckEvent(id=id_, room="lobby", seq=6)) == [
        gap(5, 5),
        Sent(id_, "lobby", 6, "hi", action=False),
    ]


def test_a_hole_before_live_becomes_a_gap() -> None:
    alice = alice_live_at(4)
    alice.lost()

    assert hear(alice, welcome(9), said(5), live(9)) == [Back(), welcome(9), said(5), gap(6, 9), live(9)]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (gap(5, 7), [gap(5, 7)]),
        (gap(6, 7), [gap(5, 7)]),
        (gap(3, 7), [gap(5, 7)]),
        (gap(1, 4), []),
        (gap(9, 8), []),
    ],
)
def test_a_gap_is_told_for_what_is_missing_and_nothing_else(told: GapEvent, shown: list[Notice]) -> None:
    alice = alice_live_at(4)

    assert hear(alice, told) == shown
    assert hear(alice, said(8)) == [gap(5, 7), said(8)][len(shown) :]


def test_what_was_said_in_another_room_is_not_shown() -> None:
    alice = alice_live_at(4)

    assert hear(alice, said(5, room="dev"), live(9, room="dev"), EnteredEvent(room="dev", online=9, who="x")) == []
    assert alice.position == ResumePoint("e", 4)


def test_another_log_is_told_and_its_numbers_begin_anew() -> None:
    alice = alice_live_at(4)
    alice.lost()
    again = welcome(2, "other")

    assert hear(alice, again, said(1), said(2), live(2)) == [Back(), again, NewLog("lobby"), said(1), said(2), live(2)]
    assert alice.position == ResumePoint("other", 2)


def test_a_log_that_ends_before_what_was_seen_is_another_one() -> None:
    alice = alice_live_at(4)
    alice.lost()

    assert hear(alice, welcome(2), live(2), said(3)) == [Back(), welcome(2), NewLog("lobby"), live(2), said(3)]


# --- Own messages ----------------------------------------------------------------------------------------------------


def test_an_own_message_is_shown_where_its_ack_comes() -> None:
    alice = alice_live_at(4)
    said_id, done_id = alice.say("hi"), alice.ask(ActRequest(text="waves"))

    assert [request.id for request in alice.outgoing()] == [said_id, done_id]
    assert hear(
        alice,
        said(5),
        AckEvent(id=said_id, room="lobby", seq=6),
        said(7),
        AckEvent(id=done_id, room="lobby", seq=8),
    ) == [
        said(5),
        Sent(said_id, "lobby", 6, "hi", action=False),
        said(7),
        Sent(done_id, "lobby", 8, "waves", action=True),
    ]
    assert not alice.pending


def test_an_own_topic_is_shown_as_what_others_see() -> None:
    alice = alice_live_at(4)
    id_ = alice.ask(TopicRequest(text="cats"))

    assert hear(alice, AckEvent(id=id_, room="lobby", seq=5)) == [
        TopicSetEvent(room="lobby", text="cats", from_="alice", seq=5, id=id_)
    ]


def test_nothing_goes_out_before_live_and_then_everything_in_order() -> None:
    alice = Conversation("a")
    ids = [alice.say("one"), alice.ask(TellRequest(to="bob", text="two"))]
    before = alice.outgoing()
    hear(alice, welcome(), live(0))

    assert before == []
    assert [request.id for request in alice.outgoing()] == ids
    assert alice.outgoing() == []


def test_what_is_not_acked_goes_out_again_on_the_next_connection() -> None:
    alice = alice_live_at(4)
    acked, lost = alice.say("one"), alice.say("two")
    alice.outgoing()
    hear(alice, AckEvent(id=acked, room="lobby", seq=5))
    alice.lost()
    hear(alice, welcome(5), live(5))

    assert alice.outgoing() == [SayRequest(id=lost, text="two")]


def test_a_message_that_the_replay_brings_is_not_shown_again_when_its_ack_comes() -> None:
    alice = alice_live_at(4)
    id_ = alice.say("hi")
    alice.lost()
    own = said(5, "hi", id_, from_="alice")

    assert hear(alice, welcome(5), own, live(5)) == [Back(), welcome(5), own, live(5)]
    assert list(alice.pending) == [id_]
    assert hear(alice, AckEvent(id=id_, room="lobby", seq=5)) == []
    assert not alice.pending


def test_a_message_that_fell_into_a_gap_is_shown_when_its_ack_comes() -> None:
    alice = alice_live_at(4)
    id_ = alice.say("hi")

    assert hear(alice, gap(5, 9), AckEvent(id=id_, room="lobby", seq=7)) == [
        gap(5, 9),
        Sent(id_, "lobby", 7, "hi", action=False),
    ]
    assert alice.seq == 9


def test_who_copies_our_id_does_not_make_us_believe_that_ours_was_acked() -> None:
    alice = alice_live_at(4)
    id_ = alice.say("hi")
    copied = said(5, "HI", id_, from_="mallory")

    assert hear(alice, copied) == [copied]
    assert list(alice.pending) == [id_]
    assert hear(alice, AckEvent(id=id_, room="lobby", seq=6)) == [Sent(id_, "lobby", 6, "hi", action=False)]


def test_who_copies_our_id_does_not_make_us_show_our_message_twice() -> None:
    alice = alice_live_at(4)
    id_ = alice.say("hi")
    alice.lost()
    own, copied = said(5, "hi", id_, from_="alice"), said(6, "HI", id_, from_="mallory")
    shown = hear(alice, welcome(6), own, copied, live(6), AckEvent(id=id_, room="lobby", seq=5))

    assert shown == [Back(), welcome(6), own, copied, live(6)]


def test_a_refusal_ends_a_request() -> None:
    alice = alice_live_at(4)
    refused = RefusedEvent(
        code="no_such_user", message="bob is not here", id=alice.ask(TellRequest(to="bob", text="hi"))
    )

    assert hear(alice, refused) == [refused]
    assert not alice.pending


def test_a_private_message_is_told_to_be_delivered() -> None:
    alice = alice_live_at(4)
    id_ = alice.ask(TellRequest(to="bob", text="psst"))

    assert hear(alice, AckEvent(id=id_)) == [Delivered(id_, "bob", "psst")]


def test_an_ack_of_nothing_that_was_asked_is_nothing_and_leaves_a_gap() -> None:
    alice = alice_live_at(4)

    assert hear(alice, AckEvent(id="b-1", room="lobby", seq=5), said(6)) == [gap(5, 5), said(6)]


def test_a_request_is_over_when_it_is_done() -> None:
    alice = Conversation("a")
    done = DoneEvent(message="You are away", id=alice.ask(WhoRequest()))
    assert alice.hears(done) == [done]
    assert alice.pending == {}


def test_questions_are_over_with_their_answers() -> None:
    alice = alice_live_at(4)
    topic_id, who_id, rooms_id = (
        alice.ask(TopicRequest()),
        alice.ask(WhoRequest()),
        alice.ask(RoomsRequest()),
    )
    page_id, found_id = alice.ask(HistoryRequest()), alice.ask(SearchRequest(text="tea"))
    alice.ask(TopicRequest(text="cats"))
    alice.ask(PingRequest())
    answers: list[AnyEvent] = [
        TopicSetEvent(room="lobby", text="dogs", id=topic_id),
        UsersEvent(room="lobby", users=("alice", "bob"), total=2, you="alice", id=who_id),
        RoomListEvent(rooms=(RoomInfo("lobby", 2, here=True),), total=1, id=rooms_id),
        PageEvent(room="lobby", events=(), end=True, id=page_id),
        FoundEvent(room="lobby", events=(said(3),), end=True, id=found_id),
    ]

    assert hear(alice, *answers) == answers
    assert [type(request) for request in alice.pending.values()] == [TopicRequest]
    assert alice.members == {"alice", "bob"}


# --- Rooms and members -----------------------------------------------------------------------------------------------


def test_who_comes_back_to_a_room_goes_on_behind_what_was_seen_there() -> None:
    alice = alice_live_at(4)
    id_ = alice.ask(JoinRequest(room="dev", leave="current"))
    joined = JoinedEvent(room="dev", epoch="d", seq=70, online=1, id=id_)
    hear(alice, joined, said(70, room="dev"), live(70, room="dev"))
    alice.outgoing()
    id_ = alice.ask(JoinRequest(room="lobby", leave="current"))
    joined = JoinedEvent(room="lobby", epoch="e", seq=6, online=2, id=id_)

    assert alice.outgoing() == [JoinRequest(id=id_, room="lobby", after=ResumePoint("e", 4), leave="current")]
    assert hear(alice, joined, said(4), said(5), said(6), live(6)) == [joined, said(5), said(6), live(6)]
    assert (alice.room, alice.online, alice.pending) == ("lobby", 2, {})


def alice_in_lobby_and_dev() -> Conversation:
    alice = alice_live_at(4)
    id_ = alice.ask(JoinRequest(room="dev", key="secret"))
    hear(alice, JoinedEvent(room="dev", epoch="d", seq=70, online=2, id=id_), live(70, room="dev"))
    return alice


def test_a_room_is_added_and_each_room_has_its_own_numbers_and_members() -> None:
    alice = alice_in_lobby_and_dev()

    assert (alice.rooms, alice.room, alice.online) == (["lobby", "dev"], "dev", 2)
    assert hear(alice, said(5), said(71, room="dev"), said(5), said(8)) == [
        said(5),
        said(71, room="dev"),
        gap(6, 7),
        said(8),
    ]
    hear(alice, EnteredEvent(room="lobby", online=5, who="bob"))
    assert (alice.members, alice.online) == (set(), 2)
    alice.attend("lobby")
    assert (alice.members, alice.online, alice.seq) == ({"bob"}, 5, 8)


def test_all_rooms_come_back_each_behind_what_was_seen_and_first_the_one_that_is_attended_to() -> None:
    alice = alice_in_lobby_and_dev()
    hear(alice, said(5), said(71, room="dev"))
    alice.lost()

    assert alice.hello().rooms == (
        WantedRoom("dev", ResumePoint("d", 71), "secret"),
        WantedRoom("lobby", ResumePoint("e", 5)),
    )
    again = JoinedEvent(room="lobby", epoch="e", seq=6, online=2)
    welcomed = welcome(72, "d", "dev")
    assert hear(alice, welcomed, said(72, room="dev"), live(72, room="dev"), again, said(5), said(6), live(6)) == [
        Back(),
        welcomed,
        said(72, room="dev"),
        live(72, room="dev"),
        again,
        said(6),
        live(6),
    ]
    assert alice.room == "dev"


def test_a_room_that_is_left_is_not_asked_for_again_and_another_one_takes_its_place() -> None:
    alice = alice_in_lobby_and_dev()
    hear(alice, PartedEvent(room="dev"))
    assert (alice.rooms, alice.room) == (["lobby"], "lobby")
    assert alice.hello().room == "lobby"
    hear(alice, PartedEvent(room="lobby"))
    assert alice.hello().rooms == ()


def test_a_room_of_the_hello_that_was_refused_is_given_up() -> None:
    alice = Conversation("a", room="dev", more_rooms=["ops", "#Lobby"])
    assert alice.hello().rooms == (WantedRoom("dev"), WantedRoom("ops"), WantedRoom("lobby"))
    hear(alice, welcome(), live(0), RoomListEvent(rooms=(RoomInfo("lobby", 1, here=True), RoomInfo("ops", 1)), total=2))
    assert (alice.rooms, alice.room) == (["lobby"], "lobby")


def test_who_is_in_the_room_is_known_as_far_as_it_was_told() -> None:
    alice = alice_live_at(4)
    hear(
        alice,
        EnteredEvent(room="lobby", online=5, who="bob"),
        EnteredEvent(room="lobby", online=6, who="carol"),
        RenamedEvent(room="lobby", who="bob", nick="rob"),
        LeftEvent(room="lobby", online=5, who="carol"),
        EnteredEvent(room="lobby", online=90, count=85),
    )

    assert alice.members == {"rob"}
    assert alice.online == 90


def test_a_user_who_was_put_out_is_no_longer_in_the_room() -> None:
    alice = alice_live_at(4)
    kicked = KickedEvent(room="lobby", who="bob", by="carol", reason="spam", online=2)

    assert hear(alice, EnteredEvent(room="lobby", online=3, who="bob"), kicked)[-1] == kicked
    assert (alice.members, alice.online) == (set(), 2)


def test_a_question_about_modes_is_answered_once() -> None:
    alice = alice_live_at(4)
    about_modes, about_bans = alice.ask(ModeRequest()), alice.ask(ModeRequest(change="+b"))
    hear(
        alice,
        ModesEvent(room="lobby", modes="+n", id=about_modes),
        ListEvent(room="lobby", list="b", masks=(), id=about_bans),
    )

    assert alice.pending == {}


def test_a_user_who_is_put_out_is_in_no_room_and_does_not_come_back_by_reconnecting() -> None:
    alice = alice_live_at(5)
    kicked = KickedEvent(room="lobby", who="alice", by="bob", reason="", online=1)
    assert hear(alice, kicked) == [kicked]
    assert (alice.room, alice.position, alice.online) == ("", None, 0)
    alice.lost()
    assert alice.hello().room == ""


# --- A model: connections cut at any byte ----------------------------------------------------------------------------


class Client:
    """A conversation and its connection: bytes under way in both directions, which a cut throws away."""

    def __init__(self, chat: Chat, name: str) -> None:
        self.chat = chat
        self.conversation = Conversation(name, nick=name)
        self.peer: Peer | None = None
        self.up = b""
        self.down = b""
        self.shown: list[Notice] = []
        self.texts: list[str] = []

    def connect(self) -> None:
        self.peer = Peer(self.chat, self._take)
        self._rest = b""
        self.up = rich_json.hello_line(self.conversation.hello())

    def _take(self, data: bytes) -> None:
        self.down += data

    def send(self) -> None:
        self.up += rich_json.lines(list(self.conversation.outgoing()))

    def carry_up(self, size: int) -> None:
        assert self.peer
        data, self.up = self.up[:size], self.up[size:]
        self.peer.feed(data)

    def carry_down(self, size: int) -> None:
        data, self.down = self._rest + self.down[:size], self.down[size:]
        *lines, self._rest = data.split(b"\n")
        for line in lines:
            event = rich_json.event(line)
            assert event
            self.shown += self.conversation.hears(event)

    def cut(self) -> None:
        assert self.peer
        self.peer.leave()
        self.peer, self.up, self.down = None, b"", b""
        self.conversation.lost()

    def finish(self) -> None:
        if self.peer is None:
            self.connect()
        for _ in range(4):
            self.carry_up(1 << 30)
            self.carry_down(1 << 30)
            self.send()

    @property
    def numbers(self) -> list[int]:
        return [notice.seq for notice in self.shown if isinstance(notice, SaidEvent | Sent)]


class Cuts(RuleBasedStateMachine):
    """Two clients that say things, whose connections carry any number of bytes and are cut at any of them."""

    @initialize()
    def begin(self) -> None:
        self.chat = Chat()
        self.clients = [Client(self.chat, "alice"), Client(self.chat, "bob")]
        for client in self.clients:  # who has been there from the beginning is shown everything
            client.connect()
            client.carry_up(1 << 30)
            client.carry_down(1 << 30)

    who = st.integers(0, 1)
    size = st.integers(1, 400)

    @rule(who=who)
    def says(self, who: int) -> None:
        client = self.clients[who]
        text = f"{who} says {len(client.texts)}"
        client.texts.append(text)
        client.conversation.say(text)

    @rule(who=who)
    def sends(self, who: int) -> None:
        if self.clients[who].peer:
            self.clients[who].send()

    @rule(who=who, size=size)
    def carries_up(self, who: int, size: int) -> None:
        if self.clients[who].peer:
            self.clients[who].carry_up(size)

    @rule(who=who, size=size)
    def carries_down(self, who: int, size: int) -> None:
        if self.clients[who].peer:
            self.clients[who].carry_down(size)

    @rule(who=who)
    def cuts_or_connects(self, who: int) -> None:
        client = self.clients[who]
        if client.peer:
            client.cut()
        else:
            client.connect()

    @rule(who=who)
    def copies_an_id(self, who: int) -> None:
        """A third one, who sees all ids, and guesses those to come."""
        conversation = self.clients[who].conversation
        self.chat.speaks(
            "MINE",
            "mallory",
            next(iter(conversation.pending), f"{conversation.nick}-{next(copy(conversation._numbers))}"),
        )

    @precondition(lambda self: len(self.chat.log) > 3)
    @rule()
    def everybody_catches_up(self) -> None:
        """Rarely in between, always at the end."""
        self.teardown()

    @invariant()
    def numbers_rise_without_a_hole(self) -> None:
        for client in self.clients:
            assert client.numbers == list(range(1, len(client.numbers) + 1))
            assert not [notice for notice in client.shown if isinstance(notice, GapEvent | NewLog)]

    def teardown(self) -> None:
        for _ in range(2):  # what the second says while it catches up is for the first
            for client in getattr(self, "clients", []):
                client.finish()
        for client in getattr(self, "clients", []):
            assert client.numbers == list(range(1, len(self.chat.log) + 1))
            assert not client.conversation.pending
            own = [said.text for said in self.chat.log if said.from_ == client.conversation.nick]
            assert own == client.texts


TestCuts = Cuts.TestCase
TestCuts.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("text", ["x" * 8193, "€" * 2731])
def test_what_no_server_would_read_is_not_asked(text: str) -> None:
    conversation = Conversation("p")
    with pytest.raises(LineTooLong):
        conversation.say(text)
    assert not conversation.pending
    assert conversation.say(text[1:])
