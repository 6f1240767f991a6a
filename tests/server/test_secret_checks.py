"""Whose secret is checked next, and what becomes of guessers: with hashes that take as long as a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
import pytest
from gevent.event import Event

from gchat.chat.accounts import HASH
from gchat.chat.effects import CheckSecret, CloseReason, Verdict
from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.chat.tries import MAX_WRONG
from gchat.model import commands
from gchat.model.errors import Code
from gchat.server import secret_checks as module
from gchat.server.secret_checks import SecretChecks, hashed
from tests.server.stage import Stage, wait_until

T = TypeVar("T")


class Thread:
    """Does one thing after the other, each when it is let."""

    def __init__(self) -> None:
        self.may_go = Event()
        self.may_go.set()

    def __call__(self, function: Callable[[], T], /) -> T:
        self.may_go.wait()
        return function()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> SecretChecks:
    """Checks of which the secret `right` is right."""
    monkeypatch.setattr(module, "hashed", lambda check: Verdict(is_right=check.secret == "right"))
    return SecretChecks(Registry(Limits()), Thread())


def asked(secret: str) -> CheckSecret:
    return CheckSecret(1, commands.Login("alice", secret), secret, "a hash")


def held(checks: SecretChecks) -> Event:
    may_go: Event = checks._thread.may_go  # type: ignore[attr-defined]
    may_go.clear()
    return may_go


def begin(checks: SecretChecks, done: list[str], *tries: tuple[str, str]) -> list[Any]:
    """Have secrets of networks checked; note the networks in the order of their verdicts."""

    def one(network: str, secret: str) -> Verdict:
        verdict = checks.verdict(network, asked(secret))
        done.append(network)
        return verdict

    jobs = [gevent.spawn(one, *each) for each in tries]
    gevent.sleep(0)
    gevent.sleep(0)
    return jobs


def test_argon2id_knows_the_right_secret_and_makes_hashes_that_an_account_may_have() -> None:
    import re

    made = hashed(CheckSecret(1, commands.Register("alice"), new="tea4two!"))
    assert re.match(HASH, made.hash)
    again = hashed(CheckSecret(1, commands.Register("alice"), new="tea4two!"))
    assert (again.hash != made.hash, again.lineage != made.lineage) == (True, True)
    assert hashed(CheckSecret(1, commands.Login("alice"), "tea4two!", made.hash)).is_right
    assert hashed(CheckSecret(1, commands.Login("alice"), "tea4two?", made.hash, "another one")) == Verdict()


def test_a_network_that_guessed_waits_and_the_right_secret_from_elsewhere_does_not(checks: SecretChecks) -> None:
    for _ in range(MAX_WRONG):
        assert checks.verdict("far", asked("wrong")) == Verdict()
    refusal = checks.verdict("far", asked("right")).refusal
    assert refusal is not None
    assert (refusal.code, refusal.retry_after_s > 0) == (Code.TOO_MANY_TRIES, True)
    assert checks.verdict("near", asked("right")).is_right
    assert checks.verdict("far", CheckSecret(1, commands.Register("bob"), new="x")).refusal is None, "no guess"


def test_right_secrets_are_never_too_many(checks: SecretChecks) -> None:
    assert all(checks.verdict("office", asked("right")).is_right for _ in range(5 * MAX_WRONG))


def test_networks_have_their_turns_and_those_that_guessed_have_theirs_later(checks: SecretChecks) -> None:
    checks.verdict("guesser", asked("wrong"))
    may_go, done = held(checks), list[str]()
    tries = [("first", "right"), *[("guesser", "wrong")] * 3, *[("many", "right")] * 3, ("one", "right")]
    jobs = begin(checks, done, *tries)
    may_go.set()
    gevent.joinall(jobs, timeout=20)

    assert done == ["first", "many", "one", "many", "many", "guesser", "guesser", "guesser"]


def test_of_too_many_that_wait_the_guessers_are_refused(checks: SecretChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    checks.verdict("guesser", asked("wrong"))
    may_go, done = held(checks), list[str]()
    jobs = begin(checks, done, ("first", "right"), *[("guesser", "right")] * 3, ("near", "right"))
    wait_until(lambda: done == ["guesser"], "the last of the guessers is refused")
    may_go.set()
    gevent.joinall(jobs, timeout=20)
    refused = [job.value.refusal.code for job in jobs if job.value.refusal]

    assert refused == [Code.TOO_MUCH]
    assert jobs[-1].value.is_right


def test_a_hash_that_crashes_is_one_refusal_and_the_next_is_checked(
    checks: SecretChecks, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: CheckSecret) -> Verdict:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(module, "hashed", fails)
        refusal = checks.verdict("near", asked("right")).refusal
    assert refusal is not None
    assert refusal.code is Code.TOO_MUCH
    assert "right" not in caplog.text.replace("rights", "")
    assert checks.verdict("near", asked("right")).is_right


def test_a_user_who_is_put_out_while_the_secret_is_checked_is_not_logged_in() -> None:
    thread = Thread()
    with Stage() as stage:
        stage.secret_checks._thread = thread
        alice = stage.join("alice")
        alice.says("/register tea4two!")
        alice.sees("> The nick alice is yours: /login alice has it back, wherever you are")
        alice.says("/logout")
        alice.sees("> You are not logged in as alice any more")
        thread.may_go.clear()
        alice.says("/login alice tea4two!", "said after it")
        wait_until(lambda: stage.secret_checks._is_busy, "it is checked")
        stage.pump.submit(stage.registry.leave(alice.connection.session, CloseReason.KICKED))
        thread.may_go.set()
        bob = stage.join("bob")
        assert bob.hears() == []
        assert alice.connection.session.account == ""
