"""Users of a node that has lost its place, or what it had put: what a review of the cluster found.

A connection never stays without a session, nor a session without a connection, and nobody waits for what never comes.
"""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

from tests.e2e.harness import User, wait_until
from tests.e2e.nodes import NAMESPACE, Pair, WireProcess
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.test_two_nodes_failing import flows, refused_at_start, started_empty


def is_answered(user: User, within_s: float = 1.0) -> None:
    """Fail unless the next command is answered at once."""
    mark = f"mark-{time.monotonic_ns()}"
    user.says("/who", f"/ping {mark}")
    user.sees(f"> pong {mark}", deadline_s=within_s)


def who(user: User) -> int:
    user.says("/who")
    return int(user.sees("> In lobby (").partition("(")[2].partition(" ")[0])


def test_while_the_engine_is_silent_nobody_waits_also_when_something_was_refused(pair: Pair) -> None:
    with pair.one.join("ann") as ann, joins(pair.one, "eve") as eve:
        is_answered(ann)
        pair.engine.stop()
        try:
            eve.says("under way", "0")
            time.sleep(0.1)
            eve.says("never said", "1")
            eve.sees("refused", id="1")
            time.sleep(0.2)
            is_answered(ann)
        finally:
            pair.engine.go_on()


def test_nobody_waits_for_ever_for_what_was_under_way_when_the_engine_forgot_everything(pair: Pair) -> None:
    with pair.one.join("ann") as ann, joins(pair.one, "eve") as eve:
        is_answered(ann)
        pair.engine.stop()
        eve.says("under way", "0")
        time.sleep(0.1)
        started_empty(pair.engine)
        eve.sees("refused", id="0")  # it is in no history that anybody will see
        flows(ann, ann)
        wait_until(lambda: eve.sees("joined", room="lobby"), "all is well")
        ann.says("alone")
        is_answered(ann)


def test_users_go_on_when_the_engine_has_lost_its_last_second(pair: Pair, tmp_path: Path) -> None:
    with pair.one.join("ann") as ann, pair.two.join("ben") as ben, joins(pair.one, "eve") as eve:
        ann.says("before")
        ben.sees("[ann] before")
        is_answered(ben)
        shutil.copytree(pair.engine.directory / "appendonlydir", tmp_path / "earlier")
        ann.says("/away gone", "lost")
        ben.sees("[ann] lost")
        pair.engine.kill()
        pair.engine.forget()
        shutil.copytree(tmp_path / "earlier", pair.engine.directory / "appendonlydir")
        pair.engine.start()
        ben.sees("> 1 message that was shown")
        flows(ann, ben)
        eve.says("still here", "9")
        eve.sees("ack", id="9")
        is_answered(ann)


def test_a_user_who_leaves_while_the_engine_has_no_memory_has_left(pair: Pair) -> None:
    with pair.one.join("ann") as ann, pair.two.join("ben") as ben:
        is_answered(ben)
        pair.engine.ask("CONFIG", "SET", "maxmemory", "1")
        ann.closes()
        time.sleep(1)
        pair.engine.ask("CONFIG", "SET", "maxmemory", "0")
        wait_until(lambda: who(ben) == 1, "ann has left")


def test_a_node_that_stops_while_the_engine_has_no_memory_leaves_no_ghosts(pair: Pair) -> None:
    with pair.one.join("ann") as ann, pair.two.join("ben") as ben:
        is_answered(ben)
        is_answered(ann)
        pair.engine.ask("CONFIG", "SET", "maxmemory", "1")
        pair.one.stop()
        pair.one.may_complain = True
        pair.engine.ask("CONFIG", "SET", "maxmemory", "0")
        wait_until(lambda: who(ben) == 1, "ann has left")


def test_who_has_come_back_elsewhere_while_the_node_was_cut_off_is_closed_there(short: Pair, tmp_path: Path) -> None:
    with (
        WireProcess(short.engine, tmp_path) as wire,
        short.node("three", wire.url) as three,
        joins(three, "eve") as eve,
        short.two.join("ben") as ben,
    ):
        is_answered(ben)
        wire.process.send_signal(signal.SIGSTOP)
        try:
            with RichUser(short.two, token=eve.events[0]["token"]) as again:
                assert again.sees("welcome")["nick"] == "eve"
                time.sleep(4)  # longer than the lease
                wire.process.send_signal(signal.SIGCONT)
                assert eve.sees("closing")["code"] == "replaced"
                eve.sees_end()
                again.says("here", "1")
                again.sees("ack", id="1")
                ben.sees("[eve] here")
        finally:
            wire.process.send_signal(signal.SIGCONT)


def test_a_node_that_cannot_read_what_another_version_asked_says_so_and_keeps_nothing(pair: Pair) -> None:
    with pair.one.join("ann") as ann:
        is_answered(ann)
        namespace = f"{{{NAMESPACE}}}"
        n = pair.engine.ask("HINCRBY", f"{namespace}:engine", "n", 1)
        term = pair.engine.ask("HGET", f"{namespace}:engine", "term").decode()
        pair.engine.ask("XADD", f"{namespace}:feed", f"{n}-{term}", "newer-00001", "1", b"\2", b"\x92\xa3New\x01")
        ann.sees("> What is said cannot be kept now (another version of gchat")
        ann.says("not said")
        ann.sees("> Not possible now: another version of gchat")
        assert "cannot be read here" in refused_at_start(pair.engine.url)


def test_a_user_who_talks_while_the_node_comes_back_is_not_put_out(short: Pair, tmp_path: Path) -> None:
    with (
        WireProcess(short.engine, tmp_path) as wire,
        short.node("three", wire.url) as three,
        three.join("ann") as ann,
        joins(three, "eve") as eve,
        short.two.join("ben") as ben,
    ):
        is_answered(ann)
        wire.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: ben.has_received(b"(1 user online)"), "the lease has ended")
        finally:
            wire.process.send_signal(signal.SIGCONT)
        for number in range(400):
            ann.says(f"line {number}")
            eve.says(f"word {number}", str(number))
            time.sleep(0.005)
        flows(ann, ben)
        eve.says("here", "here")
        eve.sees("ack", id="here")
