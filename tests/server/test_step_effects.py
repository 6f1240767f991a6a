"""The effects of a step: what all nodes carry out, and what one does."""

from __future__ import annotations

from gchat.chat.effects import Audited, Close, CloseReason, Deliver, Effect, Publish, SaveModes
from gchat.model.events import Done, Invited
from gchat.model.messages import Said
from gchat.server.step_effects import of_step

CLOSE = Close(1, CloseReason.QUIT)
SAID = Publish("lobby", 1, Said("alice", ("hello",)))
AUDITED = Audited(1.0, "alice", "chat", "ban", "bob")
INVITED = Invited("dev", "alice")


def test_what_is_said_and_noted_comes_from_the_origin_alone_and_nothing_is_saved() -> None:
    effects: list[Effect] = [SaveModes("dev", None), SAID, AUDITED, CLOSE]
    assert [*of_step(effects, is_origin=True)] == [SAID, AUDITED, CLOSE]
    assert [*of_step(effects, is_origin=False)] == [CLOSE]


def test_what_one_user_gives_another_is_given_by_the_node_that_knows_whether_it_was_before() -> None:
    given = Deliver(2, INVITED, sender=1, id="i", receipt=Done("bob is invited"))
    answer = Deliver(2, Done("closed"))
    assert [*of_step([given, answer], is_origin=True)] == [given, answer]
    assert [*of_step([given, answer], is_origin=False)] == [answer]
