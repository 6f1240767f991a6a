"""A room whose last messages the journal has lost: all are told which, and go on in another log, with lower numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gchat.chat.effects import Rebased
from gchat.model.hello import Hello, ResumePoint
from gchat.server import fanout
from tests.journal.shared_journal import Engine
from tests.server.stage import LOBBY, Ciphered, Stage, User, wait_until


class Shared(Stage):
    """One process of several, with an engine that it asks at once."""

    def __init__(self) -> None:
        self.engine = Engine()
        journal = self.engine.journal()
        super().__init__(journal, presence_quiet_above=0)
        journal.follow(self.pump.submit)

    def say(self, user: User, *texts: str) -> None:
        """Have a user say something, and everybody get it."""
        head = self.journal.next_seq(LOBBY)
        user.says(*texts)
        wait_until(lambda: self.is_numbered(head + len(texts)), f"{texts} are shown")

    def is_numbered(self, seq: int) -> bool:
        self.engine.turn()
        return self.journal.next_seq(LOBBY) >= seq

    def lose(self, first: int) -> None:
        """Lose what was said from this number on."""
        last = self.journal.next_seq(LOBBY) - 1
        epoch = self.journal.epoch(LOBBY)
        self.engine.lose(LOBBY, first)
        self.pump.submit([Rebased(LOBBY, last - first + 1, first, last, members=3)])
        wait_until(lambda: self.journal.epoch(LOBBY) != epoch, "the room has another log")


def events(user: User, until: str) -> list[dict[str, Any]]:
    """Return what a rich user is told up to a text, and forget it."""
    wait_until(lambda: until.encode() in user.reads(), until)
    told = [json.loads(line) for line in user.received.splitlines()]
    user.received = b""
    return told


@pytest.mark.parametrize("readers_in_a_turn", [1000, 0])
def test_plain_users_are_told_what_is_lost_and_go_on(readers_in_a_turn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "READERS_IN_A_TURN", readers_in_a_turn)  # 0: each room is sent in slices
    with Shared() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        stage.say(alice, "one", "two", "three")
        bob.sees("[alice] three")
        stage.lose(2)
        bob.sees("> 2 messages that were shown are lost (2-3)")
        alice.sees("> 2 messages that were shown are lost (2-3)")
        stage.say(bob, "still here")
        alice.sees("[bob] still here")
        stage.say(alice, "fine")
        bob.sees("[alice] fine")
        assert stage.journal.next_seq(LOBBY) == 4
        assert [text for text in bob.transcript() if "three" in text] == []


def test_one_message_is_one_and_none_is_not_spoken_of() -> None:
    with Shared() as stage:
        alice = stage.join("alice")
        stage.say(alice, "one")
        stage.lose(1)
        alice.sees("> 1 message that was shown is lost (1)")
        stage.lose(1)
        assert alice.transcript() == []


def test_rich_users_are_in_another_log_and_can_resume_in_it() -> None:
    with Shared() as stage:
        alice, bob = stage.join("alice"), stage.connects(Hello(nick="bob"))
        before = next(event for event in events(bob, '"live"') if event["type"] == "welcome")
        stage.say(alice, "one", "two", "three")
        events(bob, "three")
        stage.lose(3)
        told = events(bob, '"live"')
        assert [event["type"] for event in told] == ["announced", "joined", "live"]
        assert told[0]["text"] == "1 message that was shown is lost (3)"
        assert told[1]["epoch"] != before["epoch"]
        assert told[1]["seq"] == told[2]["seq"] == 2
        assert told[1]["online"] == 3
        stage.say(alice, "four")
        assert events(bob, "four")[-1]["seq"] == 3

        back = stage.connects(Hello(nick="carol", after=ResumePoint(told[1]["epoch"], 2)))
        replayed = [event for event in events(back, '"live"') if event["type"] == "said"]
        assert [(event["seq"], event["text"]) for event in replayed] == [(3, "four")]


def test_what_was_said_in_the_same_turn_is_told_before_and_after() -> None:
    with Shared() as stage:
        alice, bob = stage.join("alice"), stage.join("bob")
        stage.say(alice, "one")
        bob.sees("[alice] one")
        alice.says("two")
        wait_until(lambda: stage.engine._waiting, "two is put")
        stage.engine.turn()
        stage.engine.lose(LOBBY, 2)
        stage.pump.submit([Rebased(LOBBY, 1, 2, 2)])
        bob.sees("[alice] two")
        bob.sees("> 1 message that was shown is lost (2)")
        stage.say(alice, "another two")
        bob.sees("[alice] another two")


@pytest.mark.parametrize("transport", ["descriptor", "cipher"])
def test_a_reader_that_is_behind_is_told_once_it_reads_again(transport: str) -> None:
    with Shared() as stage:
        alice = stage.join("alice")
        slow = stage.join("slow", transport=Ciphered) if transport == "cipher" else stage.join("slow")
        for count in range(40):
            stage.say(alice, f"{count} {'x' * 4000}")
        stage.lose(11)
        stage.say(alice, "after")
        slow.sees("> 30 messages that were shown are lost (11-40)")
        slow.sees("[alice] after")


def test_a_reader_that_is_behind_is_told_of_each_of_two_losses_before_what_it_missed_between_them() -> None:
    with Shared() as stage:
        alice = stage.join("alice")
        slow = stage.connects(Hello(nick="slow"))
        events(slow, '"live"')
        for count in range(40):
            stage.say(alice, f"{count} {'x' * 4000}")
        stage.lose(11)
        for count in range(40):
            stage.say(alice, f"another {count} {'x' * 4000}")
        stage.lose(21)
        stage.say(alice, "after")
        told = events(slow, '"after"')
        lost = [event["text"] for event in told if event["type"] == "announced"]
        assert lost == ["30 messages that were shown are lost (11-40)", "30 messages that were shown are lost (21-50)"]
        kinds = [event["type"] for event in told]
        first, second = (at for at, kind in enumerate(kinds) if kind == "joined")
        assert told[first]["epoch"] != told[second]["epoch"]
        (missed,) = [event for event in told[first:second] if event["type"] == "gap"]
        assert (missed["from"], missed["to"]) == (11, 50)
        assert told[-1]["seq"] == 21


def test_a_user_who_is_being_shown_what_was_missed_enters_anew() -> None:
    with Shared() as stage:
        alice = stage.join("alice")
        for count in range(60):
            stage.say(alice, f"{count} {'x' * 4000}")
        late = stage.connects(Hello(nick="late", after=ResumePoint(stage.journal.epoch(LOBBY), 0)))
        wait_until(lambda: late.connection.writer.is_behind, "late is behind")
        assert late.connection.writer.catch_ups
        stage.lose(11)
        stage.say(alice, "after")
        told = events(late, "after")
        assert told[-1]["seq"] == 11
        joined = [event for event in told if event["type"] == "joined"]
        assert joined[-1]["epoch"] == stage.journal.epoch(LOBBY)


def test_nobody_is_there() -> None:
    with Shared() as stage:
        stage.engine.lose(LOBBY, 1)
        stage.pump.submit([Rebased(LOBBY, 0, 1, 0)])
        stage.join("alice")
