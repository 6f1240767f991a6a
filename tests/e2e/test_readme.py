"""The README's transcript is what two people really see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gchat.protocol import wire
from tests.e2e.harness import Server
from tests.e2e.tools import need

README = (Path(__file__).parent.parent.parent / "README.md").read_text()


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


@pytest.mark.parametrize(("language", "asked", "answered"), [("python", "!ping", "pong"), ("bash", "!date", "20")])
def test_the_bots_answer(language: str, asked: str, answered: str) -> None:
    program = README.partition(f"```{language}\n")[2].partition("```")[0]
    with Server() as server, server.join("alice") as alice:
        program = program.replace("8888", str(server.port))
        command = [sys.executable, "-c"] if language == "python" else [need("bash"), "-c"]
        bot = subprocess.Popen([*command, program], stdin=subprocess.DEVNULL)
        try:
            alice.sees("> New user")
            alice.says(asked)
            assert answered in alice.sees("[echo]" if language == "python" else "[clock]")
        finally:
            bot.kill()
            bot.wait()


def test_the_table_of_the_rich_dialect_has_every_type_and_every_field() -> None:
    table = README[README.index("| a client asks") :].partition("\n\n")[0] + "slowed"
    kinds = [*wire.AnyRequest.__args__, *wire.AnyEvent.__args__]

    assert {str(kind.__struct_config__.tag) for kind in kinds} <= set(re.findall(r"\w+", table))
