"""What calls the user to the screen."""

from __future__ import annotations

import pytest

from gchat.client.attention import Attention, BellAt, NotifyBy
from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Notice, Sent
from gchat.dialects.rich_events import ActedEvent, EnteredEvent, SaidEvent, ToldEvent


def said(text: str, by: str = "bob") -> SaidEvent:
    return SaidEvent(room="lobby", seq=1, time="", from_=by, text=text)


TOLD = ToldEvent(from_="bob", time="", text="psst")
ACTED = ActedEvent(room="lobby", seq=1, time="", from_="bob", text="waves to alice")
QUIET: list[Notice] = [
    said("alice", by="alice"),
    Sent("x", "lobby", 1, "alice", False),
    EnteredEvent(room="lobby", online=1, who="alice"),
]


@pytest.fixture
def chat() -> Conversation:
    return Conversation("x", nick="alice")


def test_the_bell_rings_at_what_is_for_the_user_at_all_that_others_say_or_never(chat: Conversation) -> None:
    notices: list[Notice] = [said("hi"), said("hi alice"), TOLD, ACTED, *QUIET]
    rung = {bell: [Attention(bell).rings(notice, chat) for notice in notices] for bell in BellAt}
    assert rung == {
        BellAt.OFF: [False] * 7,
        BellAt.MENTION: [False, True, True, True] + [False] * 3,
        BellAt.ALL: [True] * 4 + [False] * 3,
    }


def test_a_notification_is_the_message_and_only_if_it_was_asked_for(chat: Conversation) -> None:
    asked = Attention(notify=NotifyBy.OSC9)
    assert asked.note(said("hi alice"), chat) == "[bob] hi alice"
    assert asked.note(TOLD, chat) == "[bob -> you] psst"
    assert asked.note(said("hi"), chat) == ""
    assert Attention().note(TOLD, chat) == ""
