"""The README is true: its transcript, its bots, and each of its commands, run as they are typed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gchat.dialects.rich_events import AnyEvent
from gchat.dialects.rich_requests import AnyRequest
from gchat.server.settings import Config
from tests.e2e.harness import Server, wait_until
from tests.e2e.tools import need

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Return the README's code in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def columns() -> tuple[list[str], list[str]]:
    """Return the lines that the server sent to the left and to the right user of the transcript."""
    block = README[README.index("    $ nc 127.0.0.1 8888") :].partition("\n\n")[0]
    halves = [(line[4:58].rstrip(), line[58:].rstrip()) for line in block.splitlines()]
    left, right = zip(*halves, strict=True)
    return from_server(left), from_server(right)


def from_server(lines: tuple[str, ...]) -> list[str]:
    return [line.removesuffix(" /nick bob") for line in lines if re.match(r"[>*<\[]", line)]


def shown(received: bytes) -> list[str]:
    text = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", received.decode().replace("[You] > ", "[You]\n> "))
    return [line.rstrip() for line in text.splitlines()]


def test_the_transcript_is_what_two_people_see() -> None:
    with Server(history_replay_on_join=0) as server, server.join() as left, server.join() as right:
        left.sees("> New user")
        right.says("/nick bob")
        left.sees("> 127.0.0.1")
        left.says("hello")
        right.sees("[127.0.0.1")
        right.says("hi there")
        left.sees("[bob] hi there")
        right.closes()
        left.sees("< The user bob left")
        right.sees_end()

    for told, user in zip(columns(), (left, right), strict=True):
        assert shown(user.received) == [re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line) for line in told]


# --- Bots ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "number", "asked", "answered"),
    [
        ("python", 0, "!ping", "[echo] alice: pong"),
        ("python", 1, "/msg helper psst", "[helper -> you] You said: psst"),
        ("bash", 0, "!date", "[clock] "),
    ],
)
def test_the_bots_answer_and_do_not_answer_what_is_old(
    tmp_path: Path, language: str, number: int, asked: str, answered: str
) -> None:
    program = blocks(language)[number]
    with Server() as server, server.join("alice") as alice:
        alice.says("!ping", "!date")  # before they come
        program = program.replace("127.0.0.1 8888", f"127.0.0.1 {server.port}").replace("8888", str(server.port))
        program = program.replace('nick="helper",', f'port={server.port}, nick="helper",')
        command = [sys.executable, "-c"] if language == "python" else [need("bash"), "-c"]
        bot = subprocess.Popen([*command, program], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=tmp_path)
        try:
            alice.sees("> New user")
            alice.says(asked)
            alice.sees(answered)
            assert alice.received.count(answered.encode()) == 1
            if language == "python":
                bot.terminate()
                assert bot.wait(20) == 0
                assert bot.stderr is not None
                assert bot.stderr.read() == b""
        finally:
            bot.kill()
            bot.communicate()


def test_the_bot_of_five_rooms_answers_in_each(tmp_path: Path) -> None:
    with Server() as server, server.join("alice") as alice:
        program = blocks("python")[2].replace("8888", str(server.port))
        bot = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.DEVNULL, cwd=tmp_path)
        try:
            alice.sees("> New user fiver")
            for room in ("lobby", "dev", "ops", "design", "tea"):
                if room != "lobby":
                    alice.says(f"/join {room}")
                    alice.sees(f"> You are now in {room} (2 users online)")
                alice.says("!ping")
                alice.sees("[fiver] alice: pong")
            assert alice.received.count(b"pong") == 5
        finally:
            bot.kill()
            bot.wait()


def test_the_table_of_the_rich_dialect_has_every_type_and_every_field() -> None:
    table = README[README.index("| a client asks") :].partition("\n\n")[0] + "slowed"
    kinds = [*AnyRequest.__args__, *AnyEvent.__args__]

    assert {str(kind.__struct_config__.tag) for kind in kinds} <= set(re.findall(r"\w+", table))


# --- Commands, in a network of their own, so that the usual ports are free -------------------------------------------

#: What a command begins with, and what it prints.
PRINTS = {
    "echo /who": "> In lobby (",
    "gchat-client --listen": "",
    "gchat-server --export lobby --json": '"text":"deployed"',
    "gchat-server --export lobby ": "] deployed",
    "gchat-server --backup": "copied",
    "curl 127.0.0.1:8889/status": '"online"',
    "curl -N 127.0.0.1:8889/events": "event: ",
    "curl 127.0.0.1:8889/metrics": "gchat_users_online",
    "curl 127.0.0.1:8889/healthz": '"ok"',
    "curl -d 'backup done'": "ok",
    "curl -N -H": '"text":"deployed"',
    "gchat-server --make-hook": "http://127.0.0.1:8889/hooks/",
    "ask '127.0.0.1:8889/rooms/lobby/messages": '"deployed"',
    "ask 127.0.0.1:8889/rooms/lobby/messages -d": '"seq"',
    "ask 127.0.0.1:8889/announce": '"told"',
    "ask 127.0.0.1:8889/bans -d": '"203.0.113.0/24"',
}

#: These go on until they are stopped.
ENDLESS = ("nc 127.0.0.1", "tail -f", "gchat-client --listen", "curl -N")


def lines_of(block: str) -> list[tuple[str, str]]:
    """Return a block's commands, each with the definitions before it."""
    found, before = [], ""
    for line in block.splitlines():
        if re.match(r"\w+=|\w+\(\)", line):
            before += f"{line}\n"
        elif line.strip():
            found.append((before, line))
    return found


COMMANDS = [command for block in blocks("sh") for command in lines_of(block)]


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[str], Path]]:
    """A network with a server that was started by its name alone; yields what a command there begins with."""
    need("ip")
    if os.geteuid():
        pytest.skip("only root can make a network of its own")
    home = tmp_path_factory.mktemp("home")
    (home / ".venv").symlink_to(sys.prefix)
    (home / "build.log").write_text("")
    environment = {
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
    }
    start = "ip link set lo up && exec gchat-server >out 2>log"
    server = subprocess.Popen(["unshare", "--net", "bash", "-c", start], cwd=home, env=environment)
    try:
        wait_until(lambda: (home / "log").exists() and "admin page" in (home / "log").read_text(), "the server runs")
        wait_until(lambda: list((home / ".local/state/gchat").glob("admin-token-*")), "there is an admin token")
        enter = ["nsenter", "--target", str(server.pid), "--net", "env", "-i"]
        yield [*enter, *(f"{name}={value}" for name, value in environment.items()), "bash", "-c"], home
    finally:
        server.terminate()
        server.wait(20)


def test_the_readme_shows_the_commands_that_are_tried() -> None:
    typed = [line for _, line in COMMANDS]

    assert len(typed) >= 15
    assert not [start for start in (*PRINTS, *ENDLESS) if not any(line.startswith(start) for line in typed)]


def test_the_readme_says_beside_tail_what_the_rates_are_and_which_key_changes_them() -> None:
    limits, words = Config().limits, {4.0: "four", 5.0: "five"}
    beside = " ".join(README[README.index("tail -f build.log") :].split()[:200])

    assert f"more than {words.get(limits.messages_per_s)} lines a second (after the first {limits.burst})" in beside
    assert f"{limits.bytes_per_s / 1024:g} KB a second (after the first {limits.bytes_burst / 1024:g})" in beside
    assert f"{words.get(limits.network_factor)} times as much" in beside
    assert "`GCHAT_LIMITS_MESSAGES_PER_S=50` changes it, and 0 switches all rates off" in beside
    assert "That holds for a fast `tail -f` too, also on the server's own machine" in beside


def test_each_command_of_the_readme_runs_as_typed(elsewhere: tuple[list[str], Path]) -> None:
    shell, home = elsewhere
    for before, line in COMMANDS:
        seconds = 3 if line.startswith(ENDLESS) else 30
        done = subprocess.run(
            [*shell, f"timeout {seconds} bash -c {shlex.quote(before + line)}"],
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert done.returncode in ((0, 124) if line.startswith(ENDLESS) else (0,)), (line, done)
        assert "not found" not in done.stderr, (line, done)
        start = next((start for start in PRINTS if line.startswith(start)), None)
        if start is not None:
            assert PRINTS[start] in done.stdout, (line, done)
