"""Nodes and engines that fail, row by row of the table in docs/cluster.md, as users see it.

What takes long, or needs a thousand users, runs with GCHAT_TEST_LONG=1; each of these has a short form here.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cluster.engines import EngineProcess
from tests.e2e.admin_client import Operator
from tests.e2e.harness import PROMPT, Server, User, free_port, wait_until
from tests.e2e.nodes import NAMESPACE, SHORT_LEASE, Pair, WireProcess, node
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.test_time import HOUR_S, YEAR_S, Clock
from tests.e2e.tools import need
from tests.faults import NotHere, Tracer

TROUBLE = "> What is said cannot be kept now"

long = pytest.mark.skipif(not os.environ.get("GCHAT_TEST_LONG"), reason="takes long: GCHAT_TEST_LONG=1 runs it")


def flows(*users: User) -> None:
    """Return when what each says is seen by the others; what is refused is said again."""
    for speaker in users:
        mark = f"mark-{time.monotonic_ns()}"

        def comes(speaker: User = speaker, mark: str = mark) -> bool:
            speaker.says(mark)
            time.sleep(0.1)
            return all(user.has_received(f"] {mark}\n".encode()) for user in users if user is not speaker)

        wait_until(comes, "what is said is seen")


def is_told_of_trouble(*users: User) -> None:
    for user in users:
        user.sees(TROUBLE)


def refused_at_start(url: str, *arguments: str, **environment: str) -> str:
    """Return the line with which a node that cannot start ends."""
    command = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", "0", "--no-admin", "--allow-root", *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "GCHAT_CLUSTER_URL": url, "GCHAT_CLUSTER_NAMESPACE": NAMESPACE, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()[-1:]
    assert "Traceback" not in done.stderr
    return line


# --- The engine is silent, or down -----------------------------------------------------------------------------------


def test_a_silent_engine_is_told_once_and_nothing_is_kept_until_it_goes_on(pair: Pair) -> None:
    one, two, engine = pair.one, pair.two, pair.engine
    with one.join("ann") as ann, two.join("ben") as ben, joins(one, "eve") as eve, two.join("dan", "empty"):
        ann.says("before", "/ping heard")
        ann.sees("> pong heard")
        ben.sees("[ann] before")
        engine.stop()
        try:
            began = time.monotonic()
            eve.says("under way", "0")  # sent when the engine stopped, so nobody can know what becomes of it
            ann.says("/who")
            ann.sees("> In lobby (3 users online)")
            eve.says("never said", "1")
            refused = eve.sees("refused", id="1")
            is_told_of_trouble(ann, ben)
            print(f"told and refused after {time.monotonic() - began:.1f} s")
            assert refused["code"] == "not_kept"
            ben.says("/who", "/ping still", "nor this")
            ben.sees("> In lobby (3 users online)")
            ben.sees("> pong still")
            ben.sees("> Not sent: ")
            with pytest.raises(urllib.error.HTTPError, match="503"):
                Operator(one).asks("GET", "/readyz")
            with two.connect() as newcomer:
                newcomer.sees_end()
                assert PROMPT not in newcomer.received
                assert newcomer.received.startswith(b"> ")
        finally:
            engine.go_on()
        flows(ann, ben)
        wait_until(lambda: is_ready(one), "the node is ready again")
        for user in (ann, ben):
            assert user.received.count(TROUBLE.encode()) == 1
            assert b"never said" not in user.received
            assert b"nor this" not in user.received
        eve.says("never said", "1")
        ben.sees("[eve] never said")


def is_ready(server: Server) -> bool:
    try:
        Operator(server).asks("GET", "/readyz")
    except urllib.error.HTTPError:
        return False
    return True


def test_an_engine_that_is_killed_in_mid_sentence_and_comes_back_is_noticed_by_nobody(pair: Pair) -> None:
    with pair.one.join("ann") as ann, pair.two.join("ben") as ben, joins(pair.two, "eve") as eve:
        epoch = eve.events[0]["epoch"]
        texts = []
        for turn in range(3):
            for number in range(20):
                texts.append(f"{turn} {number}")
                ann.says(texts[-1])
            pair.engine.kill()
            texts.append(f"{turn} while it is away")
            ann.says(texts[-1])
            pair.engine.start()
        for text in texts:
            ben.sees(f"[ann] {text}")
            assert eve.sees("said")["text"] == text
        with joins(pair.one, replay=100) as late:
            assert late.events[0]["epoch"] == epoch
            told = [event for event in late.events if event["type"] == "said"]
            assert [event["text"] for event in told] == texts
            assert [event["seq"] for event in told] == list(range(1, len(texts) + 1))
        for user in (ann, ben):
            assert TROUBLE.encode() not in user.received
            assert b"Not sent" not in user.received
            assert b" left" not in user.received


def test_an_engine_whose_disk_fails_ends_and_nothing_is_lost_when_it_is_back(pair: Pair) -> None:
    need("strace")
    with pair.one.join("ann") as ann, pair.two.join("ben") as ben:
        ann.says("before")
        ben.sees("[ann] before")
        try:
            with Tracer(pair.engine.process.pid, "fdatasync,fsync"):
                ann.says("on a broken disk")
                pair.engine.process.wait(20)
        except NotHere as error:
            pytest.skip(str(error))
        pair.engine.start()
        flows(ann, ben)
        with joins(pair.two, replay=100) as late:
            texts = [event["text"] for event in late.events if event["type"] == "said"]
            said = [text for text in texts if not text.startswith("mark-")]  # marks are said until one is seen
            assert said in (["before"], ["before", "on a broken disk"])


def test_an_engine_without_memory_refuses_with_that_reason_until_it_has_some(pair: Pair) -> None:
    with pair.one.join("ann") as ann, pair.two.join("ben") as ben, joins(pair.one, "eve") as eve:
        pair.engine.ask("CONFIG", "SET", "maxmemory", "1")
        eve.says("too much", "1")
        assert "memory" in eve.sees("refused", id="1")["message"]
        ann.says("too much")
        assert "memory" in ann.sees("> Not sent: ")
        ben.says("/ping alive")
        ben.sees("> pong alive")
        pair.engine.ask("CONFIG", "SET", "maxmemory", "0")
        flows(ann, ben)
        assert b"too much" not in ben.received


# --- The engine has forgotten everything -----------------------------------------------------------------------------


def flushed(engine: EngineProcess) -> None:
    engine.empty()


def started_empty(engine: EngineProcess) -> None:
    engine.kill()
    for path in engine.directory.glob("appendonly*"):
        shutil.rmtree(path)
    engine.start()


@pytest.mark.parametrize("forgets", [flushed, started_empty])
def test_an_engine_that_has_forgotten_everything_is_told_with_the_count(
    pair: Pair, forgets: Callable[[EngineProcess], None]
) -> None:
    one, two = pair.both
    with one.join("ann") as ann, joins(one, "zoe") as zoe, two.join("ben") as ben, joins(two, "eve") as eve:
        epoch = eve.events[0]["epoch"]
        for number in range(7):
            ann.says(f"line {number}")
        zoe.sees("said", text="line 6")
        ben.sees("[ann] line 6")
        eve.sees("said", text="line 6")
        forgets(pair.engine)
        for user in (ann, ben):
            line = user.sees("> 7 messages that were shown are ")
            assert re.search(r"\b1-7\b", line), line
        joined = eve.sees("joined", room="lobby")
        assert joined["epoch"] != epoch
        flows(ann, ben)
        ben.says("/who")
        ben.sees("> In lobby (4 users online)")
        with RichUser(one, after={"epoch": epoch, "seq": 3}) as late:
            assert late.sees("welcome")["epoch"] == joined["epoch"]
        for user in (ann, ben):
            assert user.received.count(b"that were shown") == 1


# --- Nodes that end, or stand still ----------------------------------------------------------------------------------


def test_users_of_a_killed_node_come_back_on_the_other_and_only_those_who_do_not_have_left(short: Pair) -> None:
    one, two = short.both
    with ExitStack() as stack:
        ben, eve = stack.enter_context(two.join("ben")), stack.enter_context(joins(two, "eve"))
        rich = [stack.enter_context(joins(one, f"rich{number}")) for number in range(5)]
        plain = [stack.enter_context(one.join(f"plain{number}")) for number in range(2)]
        ben.says("/who")
        assert "(9 users online)" in ben.sees("> In lobby ")
        ben.says("seen")
        for user in rich:
            user.sees("said", text="seen")
        wait_until(lambda: ben.has_received(b"is now plain1"), "ben has heard of all")
        before = len(ben.received)
        one.kill()
        one.may_complain = True
        ben.says("missed")
        came_back: list[str] = []
        for user in rich:
            welcome = user.events[0]
            again = stack.enter_context(
                RichUser(two, token=welcome["token"], after={"epoch": welcome["epoch"], "seq": 1})
            )
            assert again.sees("welcome")["nick"] == welcome["nick"]
            missed = [event["text"] for event in again.sees_up_to("live") if event["type"] == "said"]
            assert missed == ["missed", *(f"{earlier} is back" for earlier in came_back)]
            came_back.append(welcome["nick"])
            again.says(f"{welcome['nick']} is back", "1")
            again.sees("ack", id="1")
            ben.sees(f"[{welcome['nick']}] {welcome['nick']} is back")
        wait_until(lambda: ben.has_received() and b"(7 users online)" in ben.received[before:], "they have left")
        assert b"rich" not in b"".join(line for line in ben.received[before:].splitlines() if line.startswith(b"<"))
        ben.says("/nick plain0")
        ben.sees("> You are now plain0")
        assert not [event for event in eve.events if event["type"] == "left" and "rich" in event.get("who", "")]
        for gone in plain:
            gone.sees_end()


# In https://github.com/sockudo/sockudo/issues/87 and https://github.com/lemonde/primus-cluster/issues/6 the users of
# killed nodes were online for ever, because only the node that had them took them off the list.
def test_when_all_nodes_were_killed_the_next_one_has_no_ghosts(short: Pair) -> None:
    with short.one.join("ann", "dev") as ann, short.two.join("ben") as ben:
        ben.says("/join dev")
        ben.sees("> You are now in dev (2 users online)")
        ann.says("hello")
        ben.sees("[ann] hello")
        for server in short.both:
            server.kill()
            server.may_complain = True
    with short.node("three") as three, three.join("eve", "dev") as eve:
        wait_until(lambda: is_alone(eve), "the others are gone")
        eve.says("/nick ann", "/history", "/rooms")
        eve.sees("> You are now ann")
        eve.sees_bytes(b"[ann] hello\n")
        eve.sees("> dev (1 user online), you are here")
        assert b"> lobby (1" not in eve.received


def is_alone(user: User) -> bool:
    user.says("/who")
    time.sleep(0.1)
    return "(1 user online)" in user.sees("> In dev ")


@long
def test_a_thousand_users_of_a_killed_node_are_all_back_within_five_seconds() -> None:
    with Pair() as pair, ExitStack() as stack:
        one, two = pair.both
        ben = stack.enter_context(two.join("ben"))
        users = [stack.enter_context(joins(one, f"u{number}")) for number in range(1000)]
        before = len(ben.received)
        one.kill()
        one.may_complain = True
        began = time.monotonic()
        back = [stack.enter_context(RichUser(two, token=user.events[0]["token"])) for user in users]
        for user, earlier in zip(back, users, strict=True):
            assert user.sees("welcome")["nick"] == earlier.events[0]["nick"]
        took_s = time.monotonic() - began
        print(f"all back after {took_s:.1f} s")
        ben.says("/ping fence")
        ben.sees("> pong fence")
        assert b"left" not in ben.received[before:]
        assert took_s < 5


def test_a_node_that_stood_still_for_longer_than_its_lease_is_gone_once_and_then_there_again(short: Pair) -> None:
    one, two = short.both
    with one.join("ann") as ann, one.join("zoe") as zoe, two.join("ben") as ben:
        ben.says("/who")
        ben.sees("> In lobby (3 users online)")
        one.process.send_signal(signal.SIGSTOP)
        try:
            ben.sees("< ")
            wait_until(lambda: ben.has_received(b"(1 user online)"), "both have left")
            ben.says("/nick ann")
            ben.sees("> You are now ann")
            ben.says("meanwhile")
        finally:
            one.process.send_signal(signal.SIGCONT)
        # Ann's nick is taken now; zoe's is still free.
        ann.sees("> You are ")
        flows(ann, zoe, ben)
        zoe.says("/who")
        assert "(3 users online)" in zoe.sees("> In lobby ")
        assert ben.received.count(b"zoe left") + ben.received.count(b"2 users left") == 1


def test_a_node_that_is_cut_off_refuses_and_what_it_refused_is_never_said(short: Pair, tmp_path: Path) -> None:
    with (
        WireProcess(short.engine, tmp_path) as wire,
        short.node("three", wire.url) as three,
        three.join("ann") as ann,
        short.two.join("ben") as ben,
    ):
        ann.says("before")
        ben.sees("[ann] before")
        wire.process.send_signal(signal.SIGSTOP)
        try:
            ann.says("never said")
            ann.sees(TROUBLE)
            ben.says("others go on")
            wait_until(lambda: ben.has_received(b"left (1 user online)"), "the lease has ended")
        finally:
            wire.process.send_signal(signal.SIGCONT)
        flows(ann, ben)
        wait_until(lambda: ann.has_received(b"] others go on"), "what was missed is told")
        assert b"never said" not in ben.received


# --- Time, and what was missed ---------------------------------------------------------------------------------------


class ClockedEngine(EngineProcess):
    """An engine whose wall clock is set while it runs."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def start(self) -> None:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self._clock.environment.items():
                environment.setenv(name, value)
            super().start()


def test_an_engine_whose_clock_is_set_takes_nobody_for_gone_and_times_never_go_back(tmp_path: Path) -> None:
    clock, pair = Clock(tmp_path), Pair(SHORT_LEASE)
    pair.engine = ClockedEngine(clock)
    with pair, pair.one.join("ann") as ann, pair.two.join("ben") as ben, joins(pair.two, "eve") as eve:
        times: list[str] = []
        for by_s in (0, HOUR_S, -HOUR_S, 0, YEAR_S, 0):
            clock.goes(by_s)
            ann.says(f"at once {len(times)}")  # although no node has looked at the clock yet
            ben.sees(f"[ann] at once {len(times)}")
            times.append(eve.sees("said")["time"])
            time.sleep(1.2)  # a beat of each node, at least
        assert times == sorted(times)
        eve.says("here", "1")
        eve.sees("ack", id="1")
        ann.sees("[eve] here")
        assert b" left" not in ann.received
        assert b"Not sent" not in ann.received
        assert not [event for event in eve.events if event["type"] in ("left", "closing", "gap")]


def banned(operator: Operator) -> set[str]:
    return {ban["value"] for ban in operator.asks("GET", "/bans")["bans"]}


@pytest.mark.parametrize("by_s", [HOUR_S, -HOUR_S])
def test_bans_end_by_the_clock_of_the_engine_whatever_the_clock_of_a_node_says(
    tmp_path: Path, pair: Pair, by_s: int
) -> None:
    clock = Clock(tmp_path)
    clock.goes(by_s)
    with node(pair.engine.url, "three", environment=clock.environment) as three:
        operators = Operator(pair.one), Operator(three)
        for name, by in zip(("spam", "eggs"), operators, strict=True):
            by.asks("POST", "/bans", kind="nick", value=name, for_s=HOUR_S / 2)
            by.asks("POST", "/bans", kind="nick", value=f"short-{name}", for_s=1)
        wait_until(lambda: all(banned(by) == {"spam", "eggs"} for by in operators), "the short ones alone are over")
        for ban in operators[0].asks("GET", "/bans")["bans"]:
            operators[0].asks("DELETE", f"/bans/{ban['id']}")


@long
def test_a_node_that_stood_still_until_the_feed_was_trimmed_has_no_hole(pair: Pair) -> None:
    with joins(pair.one, "ann") as ann, joins(pair.two, "eve") as eve:
        pair.two.process.send_signal(signal.SIGSTOP)
        try:
            for number in range(1, 25_001):
                ann.says(f"{number}", f"{number}")
                if number % 20 == 0:  # each is an entry of its own, or nearly
                    ann.sees("ack", id=str(number), deadline_s=60)
        finally:
            pair.two.process.send_signal(signal.SIGCONT)
        last = 0
        while last < 25_000:
            event = eve.sees_any("said", "gap", deadline_s=60)
            first, end = (event["seq"], event["seq"]) if event["type"] == "said" else (event["from"], event["to"])
            assert first == last + 1
            last = end


# --- A node that cannot start ----------------------------------------------------------------------------------------


def test_a_node_without_an_engine_does_not_start_and_says_why_in_one_line(tmp_path: Path) -> None:
    line = refused_at_start(f"valkey://127.0.0.1:{free_port()}")
    assert "cannot be reached" in line
    assert "connection refused" in line


def test_a_node_with_a_wrong_password_does_not_start_and_does_not_show_it() -> None:
    with EngineProcess() as engine:
        engine.ask("CONFIG", "SET", "requirepass", "right")
        for credentials in ("", ":wrong@"):
            line = refused_at_start(f"unix://{credentials}{engine.path}")
            assert "wrong" not in line.replace("WRONGPASS", "")
            assert "assword" in line or "NOAUTH" in line or "WRONGPASS" in line


def test_a_node_does_not_start_on_an_engine_that_may_forget_or_has_another_layout() -> None:
    with EngineProcess() as engine:
        engine.ask("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
        assert "noeviction" in refused_at_start(engine.url)
        engine.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        engine.ask("HSET", f"{{{NAMESPACE}}}:engine", "base", "b", "term", "1", "run", "r", "layout", "999")
        assert "999" in refused_at_start(engine.url)
