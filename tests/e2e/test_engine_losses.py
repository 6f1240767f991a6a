"""Two nodes of a cluster whose engine loses what they have shown: users are told exactly what, and go on talking."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.cluster.engines import EngineProcess
from tests.e2e.harness import Server
from tests.e2e.rich_user import RichUser


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    with EngineProcess() as process:
        yield process


@pytest.fixture
def nodes(engine: EngineProcess) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as end:
        one, other = (end.enter_context(Server("127.0.0.1", cluster_url=engine.url)) for _ in range(2))
        yield one, other


def loses_while_it_runs(engine: EngineProcess) -> None:
    engine.empty()


def is_restarted_empty(engine: EngineProcess) -> None:
    engine.kill()
    engine.forget()
    engine.start()


@pytest.mark.parametrize("loses", [loses_while_it_runs, is_restarted_empty])
def test_what_an_engine_that_forgets_everything_has_lost_is_told_on_every_node(
    engine: EngineProcess, nodes: tuple[Server, Server], loses: object
) -> None:
    assert callable(loses)
    one, other = nodes
    with (
        one.join("alice") as alice,
        one.join("dave") as dave,
        other.join("bob") as bob,
        RichUser(other, nick="carol") as carol,
    ):
        epoch = carol.sees("welcome")["epoch"]
        carol.sees("live")
        for text in ("one", "two", "three"):
            alice.says(text)
            for user in (bob, dave):  # both nodes have heard it
                user.sees(f"[alice] {text}")
        carol.sees("said", text="three")
        loses(engine)
        for user in (alice, bob):
            user.sees("> 3 messages that were shown are lost (1-3)")
        joined = carol.sees("joined")
        assert joined["epoch"] != epoch
        assert (joined["seq"], joined["online"]) == (0, 4)
        carol.sees("live")
        bob.says("we are still here")
        alice.sees("[bob] we are still here")
        assert carol.sees("said", text="we are still here")["seq"] == 1
        carol.says("so we are", "1")
        alice.sees("[carol] so we are")
        assert carol.sees("ack", id="1")["seq"] == 2
        alice.says("/who")
        alice.sees("> In lobby (4 users online): alice (you), dave, bob, carol")


def test_an_engine_that_is_killed_and_comes_back_has_lost_nothing_and_nobody_is_told_anything(
    engine: EngineProcess, nodes: tuple[Server, Server]
) -> None:
    one, other = nodes
    with one.join("alice") as alice, other.join("bob") as bob:
        alice.says("one")
        bob.sees("[alice] one")
        engine.kill()
        alice.says("two")
        engine.start()
        bob.sees("[alice] two")
        bob.says("three")
        alice.sees("[bob] three")
        for user in (alice, bob):
            user.does_not_see(b"lost")
            user.does_not_see(b"cannot be kept")
