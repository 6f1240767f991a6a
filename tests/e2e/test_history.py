"""What was said outlives the server, and is found again."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import clustered
from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, wait_until
from tests.e2e.restarted import Restarted, kills, stored
from tests.e2e.rich_user import RichUser, joins


def starts(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a server that does not get far."""
    return runs("127.0.0.1", "0", "--no-admin", "--db", str(path))


def test_who_joins_after_a_kill_sees_the_last_lines_and_the_topic(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says("/topic tea", "hello", "/me waves")
        alice.does_not_see(b"refused")
        kills(server)
    with restarted.runs() as server, server.connect() as bob:
        bob.sees("> The topic is: tea (set by alice)")
        bob.sees_bytes(PROMPT)
        assert re.search(rb"\d\d:\d\d \[alice\] hello\n\d\d:\d\d \* alice waves\n", bob.received)


def test_what_is_acknowledged_is_there_after_a_kill_and_a_client_resumes_with_nothing_twice(
    restarted: Restarted,
) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice, joins(server, "bob") as bob:
        welcome = bob.events[0]
        token = alice.events[0]["token"]
        for number in range(1, 301):
            alice.says(f"line {number}", f"m{number}")
        alice.sees("ack", id="m300")
        seen = [bob.sees("said", text=f"line {number}")["seq"] for number in range(1, 51)]
        kills(server)
    assert seen == list(range(1, 51))
    with (
        restarted.runs() as server,
        RichUser(server, token=welcome["token"], after={"epoch": welcome["epoch"], "seq": 50}) as bob,
        RichUser(server, token=token) as alice,
    ):
        assert bob.sees("welcome")["nick"] == "bob"
        assert [event["text"] for event in bob.sees_up_to("live")] == [f"line {number}" for number in range(51, 301)]
        assert alice.sees("welcome")["nick"] == "alice"
        alice.sees("live")
        alice.says("line 300", "m300")
        assert alice.sees("ack", id="m300")["seq"] == 300
        alice.says("line 301", "m301")
        assert bob.sees("said")["seq"] == 301
        assert not [event for event in bob.events if event["type"] in ("entered", "left", "gap")]


def test_the_nick_of_who_was_here_is_kept_for_a_while(restarted: Restarted) -> None:
    with restarted.runs() as server, joins(server, "alice") as alice:
        token = alice.events[0]["token"]
        alice.asks({"type": "join", "room": "dev", "leave": "current"})
        alice.sees("live", room="dev")
        if not clustered.MODE:  # the engine has it before anybody sees it
            wait_until(
                lambda: stored(restarted.path, "SELECT value FROM notes WHERE CAST(value AS TEXT) LIKE '%dev%'"),
                "it is noted",
            )
        kills(server)
    with restarted.runs() as server, RichUser(server, nick="alice") as mallory:
        mallory.sees("refused", code="name_taken")
        with RichUser(server, token=token, room="dev") as alice:
            welcome = alice.sees("welcome")
            assert (welcome["nick"], welcome["room"]) == ("alice", "dev")


def test_a_long_history_is_read_page_by_page_from_the_disk(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says(*(f"line {number}" for number in range(1, 2001)))
        alice.does_not_see(b"refused")
    with (
        restarted.runs() as server,
        server.join() as bob,
        joins(server, "carol") as carol,
    ):
        bob.says("/history 1", "/history -3", "/ping done")
        bob.sees_bytes(b"[alice] line 1\n")
        bob.sees("> … there is more: /history 101")
        bob.sees_bytes(b"[alice] line 1998\n")
        bob.sees("> pong done")
        carol.asks({"type": "history", "id": "h", "before": 500, "limit": 10}, {"type": "ping", "id": "p"})
        assert [event["seq"] for event in carol.sees("page", id="h")["events"]] == list(range(490, 500))
        carol.sees("pong", id="p")
        after = {"epoch": carol.events[0]["epoch"], "seq": 0}
        with RichUser(server, after=after) as dave:
            assert [event["seq"] for event in dave.sees_up_to("live") if "seq" in event][1:] == list(range(1, 2001))


@pytest.mark.parametrize("store", [(), ("--memory",)])
def test_what_was_said_is_found_by_its_words(store: tuple[str, ...]) -> None:
    with Server("127.0.0.1", *store, limits_messages_per_s=0) as server, server.join("alice") as alice:
        alice.says(
            "The Déploy is done", "deployments tomorrow", "nothing", "/search deploy", "/search DEPLOY*", "/ping a"
        )
        alice.sees("#1 ")
        alice.sees("#1 ")
        assert alice.sees("#2 ").endswith("[alice] deployments tomorrow")
        alice.sees("> pong a")
        alice.says("/search OR", "/search " + "x" * 300, "/search")
        alice.sees("> Nothing found")
        alice.sees("> Search too long: 300 characters, the limit is 200")
        alice.sees("> Missing argument. Usage: /search WORDS")
        with joins(server, "bob") as bob:
            bob.asks(
                {"type": "search", "id": "s", "text": "deploy*", "limit": 1}, {"type": "search", "id": "b", "text": " "}
            )
            found = bob.sees("found", id="s")
            assert ([event["seq"] for event in found["events"]], found["end"]) == ([2], False)
            bob.sees("refused", id="b")


def test_a_second_server_is_kept_out_in_one_line(restarted: Restarted) -> None:
    with restarted.runs():
        done = runs("127.0.0.1", "0", "--no-admin", "--db", str(restarted.path))
    assert done.returncode == 1
    assert done.stderr == (
        f"gchat-server: cannot store the history in {restarted.path}: another server is using it; "
        "use --db FILE to store it elsewhere, or --memory not to store it\n"
    )


def test_what_can_be_read_of_a_damaged_file_is_kept_beside_it(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says(*(f"line {number} {'x' * 200}" for number in range(1, 1001)))
        alice.does_not_see(b"refused")
        server.stop()
    content = bytearray(restarted.path.read_bytes())
    page = content.index(b"line 990 ") // 4096 * 4096
    content[page : page + 100] = b"\xff" * 100
    restarted.path.write_bytes(content)

    done = starts(restarted.path)
    assert done.returncode == 1
    assert "the file is damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert restarted.path.read_bytes() == content
    salvaged = restarted.path.with_name(restarted.path.name + ".salvaged")
    assert str(salvaged) in done.stderr
    assert not [path.name for path in salvaged.parent.iterdir() if path.name.startswith(f"{salvaged.name}.")]
    texts = [str(text) for (text,) in stored(salvaged, "SELECT text FROM messages ORDER BY key")]
    assert len(texts) > 950
    (lost,) = re.findall(r"^… (\d+) messages that were here cannot be read", "\n".join(texts), re.MULTILINE)
    assert int(lost) + len(texts) - 1 == 1000
    assert stored(salvaged, "SELECT min(key & 0xFFFF), max(key & 0xFFFF) FROM messages") == [(1, len(texts))]
    assert "its readable messages are in" in starts(restarted.path).stderr

    salvaged.rename(restarted.path)
    with restarted.runs() as server, server.join() as bob:
        bob.says("/history 1", "/search line")
        bob.sees_bytes(b"[alice] line 1 ")
        bob.sees("> … there may be older matches")


@pytest.mark.parametrize("other", [b"twn", b"tw\xff"])
def test_a_bit_that_the_disk_has_flipped_changes_nobodys_words(restarted: Restarted, other: bytes) -> None:
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says("one", "two", "three")
        alice.does_not_see(b"refused")
        server.stop()
    restarted.path.write_bytes(restarted.path.read_bytes().replace(b"two", other))

    with restarted.runs(admin_enabled="true", admin_port=0) as server, server.join() as bob:
        lines = re.sub(rb"\d\d:\d\d ", b"", bob.received).splitlines()
        lost = "[(gchat)] … this message is damaged and cannot be read"
        assert [line.decode() for line in lines if line.startswith(b"[") and b"You" not in line] == [
            "[alice] one",
            lost,
            "[alice] three",
        ]
        wait_until(lambda: "the history is damaged: message 2 of lobby" in server.log, "the operator is told")
        assert "message 2 of lobby" in Operator(server).asks("GET", "/status")["history"]["state"]


def test_a_room_is_exported_as_text_and_as_json(restarted: Restarted) -> None:
    with restarted.runs() as server, server.join("alice") as alice:
        alice.says("one", "/me two")
        alice.does_not_see(b"refused")
        text, lines = exports(restarted.path, "lobby").stdout, exports(restarted.path, "lobby", "--json").stdout
        nothing = exports(restarted.path, "nowhere")
    assert re.fullmatch(r"(\S+ \d\d:\d\d:\d\d) \[alice\] one\n\S+ \d\d:\d\d:\d\d \* alice two\n", text)
    assert [json.loads(line)["text"] for line in lines.splitlines()] == ["one", "two"]
    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert "the room nowhere has no history; rooms with one: lobby" in nothing.stderr


def test_a_copy_is_made_while_the_server_runs_and_is_another_log(restarted: Restarted, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    command = [sys.executable, "-m", "gchat.server.main", "--db", str(restarted.path), "--backup", str(copy)]
    with restarted.runs() as server, joins(server, "alice") as alice:
        alice.says("one", "1")
        alice.sees("ack", id="1")
        epoch = alice.events[0]["epoch"]
        subprocess.run(command, check=True, timeout=DEADLINE_S, stdout=subprocess.DEVNULL)
        again = subprocess.run(command, check=False, timeout=DEADLINE_S, capture_output=True, text=True)
        alice.says("two", "2")
        alice.sees("ack", id="2")
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with Restarted(copy).runs() as server, joins(server, "bob") as bob:
        assert bob.events[0]["epoch"] != epoch
        assert [event["text"] for event in bob.events if event["type"] == "said"] == ["one"]


def exports(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return runs("--db", str(path), "--export", *arguments)


def runs(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command with these arguments."""
    command = [sys.executable, "-m", "gchat.server.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S, **options)


def test_a_file_of_another_kind_is_said_to_be_one_and_left_alone(tmp_path: Path) -> None:
    other, whole, damaged = tmp_path / "passwd", tmp_path / "other.db", tmp_path / "damaged.db"
    other.write_bytes(b"root:x:0:0:root:/root:/bin/bash\n" * 200)
    for path in (whole, damaged):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE mine (x)")
            connection.executemany("INSERT INTO mine VALUES (?)", [("x" * 1000,)] * 50)
    content = bytearray(damaged.read_bytes())
    content[100:200] = b"\xff" * 100
    damaged.write_bytes(content)
    for path in (other, whole, damaged):
        before = path.read_bytes()
        done = starts(path)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert f"{path}: it is not a gchat database; use --db FILE" in done.stderr
        for arguments in (("--export", "lobby"), ("--backup", str(tmp_path / "copy"))):
            done = runs("--db", str(path), *arguments)
            assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
            assert "it is not a gchat database" in done.stderr
        assert path.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.db", "other.db", "passwd"]
