"""The effects of a step: what all nodes carry out, and what one does."""

from __future__ import annotations

from gchat.chat.effects import Audited, Close, CloseReason, Deliver, Effect, Publish, SaveModes
from gchat.model.events import Acknowledged, Done, Invited
from gchat.model.messages import Numbered, Said
from gchat.server.step_effects import of_step

CLOSE = Close(1, CloseReason.QUIT)
SAID = Publish("lobby", 1, Said("alice", ("hello",)))
AUDITED = Audited(1.0, "alice", "chat", "ban", "bob")
INVITED = Invited("dev", "alice")


def test_what_is_said_and_noted_comes_from_the_origin_alone_and_nothing_is_saved() -> None:
    effects: list[Effect] = [SaveModes("dev", None), SAID, AUDITED, CLOSE]
    assert [*of_step(effects, is_origin=True)] == [SAID, AUDITED, CLOSE]
    assert [*of_step(effects, is_origin=False)] == [CLOSE]


def test_what_one_user_gives_another_is_shown_where_that_is_and_answered_where_it_comes_from() -> None:
    given = Deliver(2, INVITED, sender=1, id="i", receipt=Done("bob is invited"))
    shown = Deliver(2, INVITED)
    assert [*of_step([given], is_origin=False)] == [shown]
    assert [*of_step([given], is_origin=True)] == [
        shown,
        Deliver(1, Acknowledged((Numbered("i"),))),
        Deliver(1, Done("bob is invited")),
    ]


def test_a_user_who_ignores_the_giver_sees_nothing_and_the_giver_sees_no_difference() -> None:
    given = Deliver(2, INVITED, sender=1, id="i", ignored=True)
    assert [*of_step([given], is_origin=False)] == []
    assert [*of_step([given], is_origin=True)] == [Deliver(1, Acknowledged((Numbered("i"),)))]
