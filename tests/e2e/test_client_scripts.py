"""The library in scripts, each a process of its own: how it ends, threads, forks and signals."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.harness import DEADLINE_S, Server, wait_until
from tests.e2e.nodes import Pair

HEAD = """
import asyncio, gc, gevent, os, signal, sys, threading, time
from gchat.client import *
port = int(sys.argv[1])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(limits_messages_per_s=0) as server:
        yield server


class Script:
    """A script in a process of its own; it is ended with its `with` block."""

    def __init__(self, server: Server, text: str, *arguments: str, head: str = HEAD) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", head + text, str(server.port), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def prints(self, line: str) -> None:
        assert self.process.stdout
        assert self.process.stdout.readline() == f"{line}\n"

    def ends(self) -> tuple[int, str, str]:
        """Return the exit code, and what went to stdout and stderr."""
        out, error = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, error


def run(server: Server, script: str, head: str = HEAD) -> tuple[int, str, str]:
    with Script(server, script, head=head) as process:
        return process.ends()


# --- What is said is sent, or the speaker knows ----------------------------------------------------------------------


def test_a_script_that_sleeps_after_saying_something_has_said_it(server: Server) -> None:
    text = 'chat = connect(port=port, nick="sleepy")\nchat.say("now")\ntime.sleep(1000)\n'
    with server.join() as reader, Script(server, text) as script:
        reader.sees("[sleepy] now")
        assert script.process.poll() is None


@pytest.mark.parametrize(
    "script",
    [
        'connect(port=port, nick="last").say("words")',
        'chat = connect(port=port, nick="last")\nchat.say("words")',
        'def main():\n    chat = connect(port=port, nick="last")\n    chat.say("words")\nmain()\nsys.exit(0)',
        'with connect(port=port, nick="last") as chat:\n    chat.say("words")',
        'chat = connect(port=port, nick="last", listen=False)\nchat.say("words")\nchat.close()',
        'chat = connect(port=port, nick="last", wait=True)\nchat.say("words")',
    ],
    ids=["no name", "no close", "function and exit", "with", "close", "not connected yet"],
)
def test_a_script_whose_last_line_says_something_has_said_it(server: Server, script: str) -> None:
    with server.join() as reader:
        assert run(server, script) == (0, "", "")
        reader.sees("[last] words")
        reader.sees("< The user last left")


def test_every_line_is_heard_of_a_script_that_says_many_and_ends_while_the_room_talks(server: Server) -> None:
    with server.join(room="busy") as reader, server.join(room="busy") as talker:
        for number in range(5):
            text = f'chat = connect(port=port, nick="many{number}", room="busy")\nfor n in range(60): chat.say(str(n))'
            with Script(server, text) as script:
                while script.process.poll() is None:
                    talker.says("chatter")
                    time.sleep(0.02)
                assert script.ends() == (0, "", "")
            for line in range(60):
                reader.sees(f"[many{number}] {line}")


def test_a_script_that_ends_without_an_answer_warns_with_the_count() -> None:
    text = """
chat = connect(port=port, nick="unheard")
print("ready", flush=True)
sys.stdin.readline()
chat.say("one"); chat.say("two"); chat.who()
"""
    with Server() as server, Script(server, text) as script:
        script.prints("ready")
        server.process.send_signal(signal.SIGSTOP)
        code, _, error = script.ends()
        server.process.send_signal(signal.SIGCONT)
    assert code == 0
    assert f"RuntimeWarning: 2 messages were not acknowledged by 127.0.0.1:{server.port}" in error
    assert "Traceback" not in error


def test_a_script_whose_words_are_refused_warns_with_the_reason(server: Server) -> None:
    code, _, error = run(server, 'chat = connect(port=port)\nchat.tell("nobody-here", "psst")')
    assert code == 0
    assert f"RuntimeWarning: 1 message was refused by 127.0.0.1:{server.port}: " in error


def test_an_error_in_a_script_is_the_only_one_and_what_was_said_before_is_heard(server: Server) -> None:
    with server.join() as reader:
        code, _, error = run(
            server, 'with connect(port=port, nick="wrong") as chat:\n    chat.say("before")\n    1 / 0'
        )
        reader.sees("[wrong] before")
    assert code == 1
    assert error.rstrip().endswith("ZeroDivisionError: division by zero")


# --- Forks -----------------------------------------------------------------------------------------------------------

FORK = """
chat = connect(port=port, nick="parent")
gevent.sleep(0.05)
pid = os.fork()
if not pid:
    try:
        chat.say("from the child")
    except LinkMisused as error:
        print(error, flush=True)
    for call in (chat.wait_acked, chat.stop, lambda: next(chat)):
        try:
            call()
        except LinkMisused:
            pass
        else:
            print("no error", call)
    chat.close()
    with connect(port=port, nick="child") as own:
        own.say("hello from the child")
        own.wait_acked(20)
        gevent.sleep(0.3)
    sys.exit(0)
for number in range(20):
    chat.say(str(number))
    assert chat.wait_acked(20)
    gevent.sleep(0.02)
os.waitpid(pid, 0)
chat.say("end")
"""


def test_a_forked_child_cannot_use_the_link_and_may_connect_itself_and_the_parent_goes_on(server: Server) -> None:
    with server.join() as reader:
        code, out, error = run(server, FORK)
        assert (code, error) == (0, "")
        assert out == "the connection belongs to the parent process: connect again after a fork\n"
        for text in [*map(str, range(20)), "end"]:
            reader.sees(f"[parent] {text}")
        assert reader.received.count(b"[child] hello from the child\n") == 1
        assert b"from the child" not in reader.received.replace(b"hello from the child", b"")
        reader.sees("< The user parent left")


def test_a_child_whose_event_loop_runs_at_once_takes_nothing_from_the_parent_and_finds_names(server: Server) -> None:
    """The child would go on with the parent's greenlets, and its look-ups with threads that are not there."""
    script = """
os.register_at_fork(after_in_child=lambda: gevent.sleep(0.05))
chat = connect("localhost", port, nick="names")
pids = []
for number in range(5):
    pid = os.fork()
    if not pid:
        with connect("localhost", port, nick=f"named{number}") as own:
            own.say(f"child {number}")
        sys.exit(0)
    pids.append(pid)
    chat.say(f"parent {number}")
    assert chat.wait_acked(20)
    gevent.sleep(0.1)
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
"""
    with server.join() as reader:
        assert run(server, script) == (0, "", "")
        wait_until(lambda: all(f"] child {number}\n" in server.shown for number in range(5)), "the children are heard")
        for number in range(5):
            reader.sees(f"[names] parent {number}")
        assert reader.received.count(b"New user names ") == 1


def test_a_child_that_does_nothing_with_the_link_does_not_end_it(server: Server) -> None:
    script = """
import multiprocessing
chat = connect(port=port, nick="forks")
def work(number): gevent.sleep(0.01); return number * 2
with multiprocessing.get_context("fork").Pool(2) as pool:
    for number in pool.map(work, range(8)):
        chat.say(str(number))
"""
    with server.join() as reader:
        code, out, error = run(server, script)
        assert (code, out, error) == (0, "", "")
        for number in range(8):
            reader.sees(f"[forks] {number * 2}")
        assert reader.received.count(b"New user forks") == 1


# --- Threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        'threaded(lambda: chat.say("x"))',
        "threaded(chat.wait_acked)",
        "threaded(chat.close)",
        "threaded(chat.stop)",
        "threaded(lambda: next(chat))",
        "threaded(lambda: chat.next(0))",
        'asyncio.run(asyncio.to_thread(chat.say, "x"))',
    ],
)
def test_another_thread_is_told_the_rule(server: Server, call: str) -> None:
    script = f"""
def threaded(work):
    failed = []
    def run():
        try:
            work()
        except BaseException as error:
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
with connect(port=port, nick="threads") as chat:
    try:
        {call}
    except LinkMisused as error:
        print(error)
    chat.say("all well")
"""
    with server.join() as reader:
        code, out, error = run(server, script)
        assert (code, error) == (0, "")
        assert out == 'the link belongs to the thread "MainThread": use it there, or connect in this thread\n'
        reader.sees("[threads] all well")


def test_a_coroutine_of_the_same_thread_may_speak(server: Server) -> None:
    script = """
async def main():
    with connect(port=port, nick="coro") as chat:
        chat.say("one")
        await asyncio.sleep(0.1)
        chat.say("two")
asyncio.run(main())
"""
    with server.join() as reader:
        assert run(server, script) == (0, "", "")
        reader.sees("[coro] one")
        reader.sees("[coro] two")


@pytest.mark.parametrize("first", [True, False], ids=["patched first", "patched later"])
def test_with_gevents_patches_greenlets_share_a_link_and_threads_do_not(server: Server, first: bool) -> None:
    patch = "from gevent import monkey; monkey.patch_all()"
    script = f"""
{"" if first else patch}
chat = connect("localhost", port, nick="patched", wait=True, stop_on_signals=True)
threading.Thread(target=chat.say, args=("from a thread that is a greenlet",)).start()
gevent.spawn(chat.say, "from a greenlet").get()
def misuse():
    try:
        chat.say("from a thread")
    except LinkMisused as error:
        return "misused"
print(gevent.get_hub().threadpool.apply(misuse), flush=True)
ready, go = os.pipe()
pid = os.fork()
if not pid:
    os.read(ready, 1)  # gevent never hears of a child that ends before its parent has returned from fork
    try:
        chat.say("from the child")
    except LinkMisused as error:
        print("misused", flush=True)
    os._exit(0)
os.write(go, b"x")
os.waitpid(pid, 0)
time.sleep(0.1)
chat.say("at last")
"""
    if first:
        script = f"{patch}\n" + HEAD + script
    with server.join() as reader:
        code, out, error = run(server, script, head="" if first else HEAD)
        assert (code, out, error) == (0, "misused\nmisused\n", "")
        for text in ("from a thread that is a greenlet", "from a greenlet", "at last"):
            reader.sees_bytes(b"[patched] " + text.encode() + b"\n")
        assert b"from the child" not in reader.received


@pytest.mark.parametrize("way", ["closed", "left open", "kept"])
def test_a_hundred_threads_that_connect_leave_no_descriptor_and_no_thread(server: Server, way: str) -> None:
    script = f"""
kept = []
def work(number):
    try:
        chat = connect("localhost", 1 if number % 10 == 0 else port, nick=f"thread{{number}}")
        chat.say("hi")
        if {way == "closed"}: chat.close()
        if {way == "kept"}: kept.append(chat)
    except ConnectFailed:
        failed.append(number)
failed = []
def count():
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
before = count()
for start in range(0, 100, 10):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(start, start + 10)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
ends_at = time.monotonic() + 10
while count() != before and time.monotonic() < ends_at:
    time.sleep(0.05)
print(len(failed), before, count())
kept.clear()
gc.collect()
assert not [each for each in gc.get_objects() if isinstance(each, Link)], "links that nobody can reach are kept"
with connect(port=port) as chat:
    while True:
        asked = chat.who()
        if next(event for event in chat if getattr(event, "id", "") == asked).total == 2:
            break
"""
    heard = server.shown.count("] hi\n")
    with server.join() as reader:
        code, out, error = run(server, script)
        assert (code, error) == (0, "")
        failed, *counts = out.split(" ", 1)
        assert failed == "10"
        before, after = counts[0].strip().split(") (")
        assert before.strip("()") == after.strip("()")
        assert reader.received.count(b"hi\n") <= 90
        wait_until(lambda: server.shown.count("] hi\n") >= heard + 90, "all of them were heard")


def test_a_thread_that_ends_with_a_link_to_a_server_that_stands_still_warns_and_ends(server: Server) -> None:
    script = """
def work():
    chat = connect(port=port, nick="stuck")
    os.kill(int(sys.argv[2]), signal.SIGSTOP)
    chat.say("perhaps")
thread = threading.Thread(target=work)
thread.start()
thread.join()
os.kill(int(sys.argv[2]), signal.SIGCONT)
print("went on")
"""
    with Script(server, script, str(server.pid)) as process:
        code, out, error = process.ends()
    assert (code, out) == (0, "went on\n")
    assert "RuntimeWarning: 1 message was not acknowledged by 127.0.0.1" in error
    assert "Traceback" not in error


def test_a_fork_while_another_thread_has_a_link_leaves_that_link_alone(server: Server) -> None:
    script = """
def work():
    chat = connect(port=port, nick="worker")
    ready.set()
    forked.wait()
    chat.say("after the fork")
ready, forked = threading.Event(), threading.Event()
thread = threading.Thread(target=work)
thread.start()
ready.wait()
pid = os.fork()
if not pid: os._exit(0)
os.waitpid(pid, 0)
forked.set()
thread.join()
"""
    with server.join() as reader:
        assert run(server, script) == (0, "", "")
        reader.sees("[worker] after the fork")


# --- Bots that are started again -------------------------------------------------------------------------------------

SAVING = """
files = {"token_file": sys.argv[2] + "/bot.token", "place_file": sys.argv[2] + "/bot.place"}
with connect(port=port, nick=sys.argv[3], wait=True, **files) as chat:
    for event in chat:
        if isinstance(event, Said):
            print(event.text, flush=True)
        if isinstance(event, Told):
            chat.tell(event.from_, f"you said {event.text}")
"""


def test_a_bot_that_saves_its_place_and_is_killed_misses_nothing(server: Server, tmp_path: Path) -> None:
    heard: list[str] = []
    with server.join("teller") as teller:
        for round_ in range(4):
            with Script(server, SAVING, str(tmp_path), "saver") as script:
                if not round_:
                    teller.sees("> New user saver")
                teller.says(*(f"{round_}-{number}" for number in range(100)))
                assert script.process.stdout
                while not heard or heard[-1] != (f"{round_}-50" if round_ < 3 else "3-99"):
                    heard.append(script.process.stdout.readline().rstrip("\n"))
                    assert heard[-1], (heard, script.ends())
                script.process.send_signal(signal.SIGKILL)
                heard += script.process.stdout.read().splitlines()  # what it dealt with before the signal came
    # The one that it was killed over may come twice, and no other.
    assert len(heard) - len(set(heard)) <= 3
    assert list(dict.fromkeys(heard)) == [f"{round_}-{number}" for round_ in range(4) for number in range(100)]


WAITING = """
with connect(port=port, nick="patient", wait=True) as chat:
    for event in chat:
        if isinstance(event, (Lost, Live)):
            print("live" if isinstance(event, Live) else "lost", flush=True)
"""


def test_a_bot_that_comes_to_a_node_whose_engine_is_silent_waits_until_it_is_let_in(pair: Pair) -> None:
    with pair.one.join() as user:
        pair.engine.stop()
        user.sees("> What is said cannot be kept now")
        with Script(pair.one, WAITING) as bot:
            bot.prints("lost")
            pair.engine.go_on()
            assert bot.process.stdout
            while (line := bot.process.stdout.readline()) == "lost\n":
                pass
            assert line == "live\n"


def test_a_bot_answers_in_private(server: Server, tmp_path: Path) -> None:
    with server.join("asker") as asker, Script(server, SAVING, str(tmp_path), "answerer"):
        asker.sees("> New user answerer")
        asker.says("/msg answerer psst")
        asker.sees_bytes(b"you said psst\n")


# --- Signals ---------------------------------------------------------------------------------------------------------

BOT = """
with connect(port=port, nick="{nick}", wait=True, stop_on_signals=True) as chat:
    for event in chat:
        if isinstance(event, Live):
            print("live", flush=True)
        if isinstance(event, Said) and event.text == "!sleep":
            print("sleeps", flush=True)
            time.sleep(1)
            chat.say("slept")
    chat.say("bye")
print("done")
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_bot_that_stops_on_signals_ends_quietly_and_says_goodbye(server: Server, number: signal.Signals) -> None:
    with server.join() as reader, Script(server, BOT.format(nick="quiet")) as script:
        script.prints("live")
        script.process.send_signal(number)
        assert script.ends() == (0, "done\n", "")
        reader.sees("[quiet] bye")
        reader.sees("< The user quiet left")


def test_a_signal_while_a_bot_works_lets_it_finish(server: Server) -> None:
    with server.join() as reader, Script(server, BOT.format(nick="worker")) as script:
        script.prints("live")
        reader.says("!sleep", "!sleep", "!sleep")
        script.prints("sleeps")
        script.process.send_signal(signal.SIGINT)
        assert script.ends() == (0, "done\n", "")
        reader.sees("[worker] slept")
        reader.sees("[worker] bye")


def test_a_bot_that_waits_for_a_server_ends_quietly() -> None:
    with Server() as server:
        pass
    text = """
with connect(port=port, wait=True, stop_on_signals=True) as chat:
    print("waits", flush=True)
    for event in chat:
        if isinstance(event, Lost): print("lost", flush=True)
"""
    with Script(server, text) as script:
        script.prints("waits")
        script.prints("lost")
        script.process.send_signal(signal.SIGINT)
        code, _, error = script.ends()
        assert (code, error) == (0, "")


@pytest.mark.parametrize(
    "loop", ["for event in chat: pass", "gevent.sleep(1)", "time.sleep(1)", "while not over: pass"]
)
@pytest.mark.parametrize("body", ["chat.close()", "chat.say('handled'); chat.stop()"])
def test_a_signal_handler_may_speak_stop_and_close(server: Server, loop: str, body: str) -> None:
    text = f"""
over = []
def handle(number, frame):
    {body}
    over.append(True)
signal.signal(signal.SIGUSR1, handle)
with connect(port=port, nick="handler") as chat:
    chat.say("before")
    gevent.sleep(0.05)
    print("ready", flush=True)
    {loop}
    assert over
"""
    with server.join() as reader, Script(server, text) as script:
        script.prints("ready")
        time.sleep(0.1)
        script.process.send_signal(signal.SIGUSR1)
        assert script.ends() == (0, "", "")
        reader.sees("[handler] before")
        if "say" in body:
            reader.sees("[handler] handled")
        reader.sees("< The user handler left")


def test_a_signal_handler_that_would_have_to_wait_is_told_so(server: Server) -> None:
    text = """
def handle(*_):
    try:
        for number in range(1000): chat.say(str(number))
    except LinkMisused as error:
        print(error, flush=True)
    chat.stop()
signal.signal(signal.SIGUSR1, handle)
with connect(port=port, nick="waits") as chat:
    print("ready", flush=True)
    for event in chat: pass
"""
    with Script(server, text) as script:
        script.prints("ready")
        time.sleep(0.1)
        script.process.send_signal(signal.SIGUSR1)
        rule = "a signal handler cannot wait for the server: say less there, or use stop() or close()"
        assert script.ends() == (0, f"{rule}\n", "")
