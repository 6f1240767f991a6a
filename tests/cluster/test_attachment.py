"""A node attaches to an engine that will do, and says of any other one what is wrong with it and what to do."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gchat.cluster import attachment
from gchat.cluster.fitness import EngineUnfit
from tests.cluster.engines import EngineProcess, wait_until_in_loop
from tests.cluster.owners import Owner, agreed, started


def test_an_engine_that_drops_what_it_has_is_refused_with_what_to_set(engine: EngineProcess) -> None:
    engine.ask("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")

    with pytest.raises(EngineUnfit, match=r"\(maxmemory-policy allkeys-lru\): set `maxmemory-policy noeviction`$"):
        Owner(engine, "alice").link.start()


@pytest.mark.parametrize(
    ("appendfsync", "durability", "to_do"), [("always", "full", ""), ("everysec", "second", "`appendfsync always`")]
)
def test_what_the_engine_promises_is_known(
    engine: EngineProcess, end: ExitStack, appendfsync: str, durability: str, to_do: str
) -> None:
    engine.ask("CONFIG", "SET", "appendfsync", appendfsync)

    (alice,) = started(engine, end, "alice")

    assert alice.link.durability == durability
    assert alice.link.warning.endswith(to_do)


def test_an_engine_that_may_not_be_asked_is_used_with_a_warning(engine: EngineProcess, end: ExitStack) -> None:
    engine.ask("ACL", "SETUSER", "default", "-config")

    (alice,) = started(engine, end, "alice")
    alice.steps("a")

    assert agreed(alice, count=1) == ["a"]
    assert alice.link.durability == "unknown"
    assert alice.link.warning.startswith("the engine does not let itself be asked")


def test_a_newcomer_with_another_unicode_is_refused_in_a_line_that_names_both(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(engine, end, "alice")
    monkeypatch.setattr(attachment, "tables", lambda: "Unicode 99.0.0")

    with pytest.raises(
        EngineUnfit, match=r"^the other nodes have Unicode [0-9.]+, precis.*, and this one Unicode 99\.0\.0, .*$"
    ):
        Owner(engine, "bob").link.start()


def test_what_another_version_of_gchat_stored_is_left_alone(
    engine: EngineProcess, end: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(engine, end, "alice")[0].link.close()
    monkeypatch.setattr(attachment, "LAYOUT", "2")

    with pytest.raises(EngineUnfit, match=r"another version of gchat stored \(layout 1; expected 2\)$"):
        Owner(engine, "bob").link.start()


def test_a_user_of_the_engine_that_may_not_do_enough_is_told_what_it_needs(engine: EngineProcess) -> None:
    engine.ask("ACL", "SETUSER", "gchat", "on", ">secret", "~{test}*", "+@all")
    user = f"unix://gchat:secret@{engine.path}"

    with pytest.raises(EngineUnfit, match=r"its user needs `~\{test\}\* &\{test\}\* \+@all`"):
        Owner(engine, "alice", user).link.start()

    engine.ask("ACL", "SETUSER", "gchat", "&{test}*", "-@dangerous", "+info")
    alice = Owner(engine, "alice", user)
    alice.link.start()
    alice.steps("a")
    assert agreed(alice, count=1) == ["a"]
    alice.link.close()


def test_all_connections_are_kept_up_together_with_the_lease(engine: EngineProcess, end: ExitStack) -> None:
    started(engine, end, "alice")

    def asked_for_a_sign() -> int:
        return sum(" cmd=ping " in client for client in engine.ask("CLIENT", "LIST").decode().splitlines())

    wait_until_in_loop(lambda: asked_for_a_sign() == 2, "the one that is read, and that of letters")


def test_an_engine_that_answers_a_sign_with_an_error_cannot_be_used_and_that_is_told(
    engine: EngineProcess, end: ExitStack
) -> None:
    (alice,) = started(engine, end, "alice")
    engine.ask("ACL", "SETUSER", "default", "-ping")
    wait_until_in_loop(lambda: alice.troubles == ["the engine does not let this server do what it must"])
    engine.ask("ACL", "SETUSER", "default", "+ping")
    wait_until_in_loop(lambda: alice.troubles[1:] == [""])
    alice.steps("one")
    wait_until_in_loop(lambda: alice.carried_out == ["one"])
