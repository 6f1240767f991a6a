"""What was said outlives the server, and is found again."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_S, PROMPT, Server, wait_until
from tests.e2e.restarted import Restarted, kills, stored
from tests.e2e.rich_user import RichUser, joins
from tests.e2e.window import Operator


def starts(path: Path) -> subprocess.CompletedProcess[str]:
    """Run a server that does not get far."""
    command = [sys.executable, "-m", "gchat.server.main", "127.0.0.1", "0", "--no-admin", "--db", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


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
        alice.asks({"type": "join", "room": "dev"})
        alice.sees("live", room="dev")
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
        command = [
            sys.executable,
            "-m",
            "gchat.server.main",
            "127.0.0.1",
            "0",
            "--no-admin",
            "--db",
            str(restarted.path),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 1
    assert done.stderr == (
        f"gchat-server: cannot keep the history in {restarted.path}: another server uses it; "
        "--db FILE keeps it elsewhere, --memory only in memory\n"
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
    texts = [str(text) for (text,) in stored(salvaged, "SELECT text FROM messages ORDER BY key")]
    assert len(texts) > 950
    (lost,) = re.findall(r"^… (\d+) messages that stood here cannot be read", "\n".join(texts), re.MULTILINE)
    assert int(lost) + len(texts) - 1 == 1000
    assert stored(salvaged, "SELECT min(key & 0xFFFF), max(key & 0xFFFF) FROM messages") == [(1, len(texts))]
    assert "what could be read is in" in starts(restarted.path).stderr

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
        lost = "[(gchat)] … this message cannot be read any more: it is not as it was written"
        assert [line.decode() for line in lines if line.startswith(b"[") and b"You" not in line] == [
            "[alice] one",
            lost,
            "[alice] three",
        ]
        wait_until(lambda: "not as it was written: message 2 of lobby" in server.log, "the operator is told")
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
    assert "nothing was said in a room nowhere; there are lobby" in nothing.stderr


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
    command = [sys.executable, "-m", "gchat.server.main", "--db", str(path), "--export", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def test_a_damaged_file_is_said_and_left_alone(restarted: Restarted) -> None:
    restarted.path.write_bytes(b"not a database, but long enough to be one " * 200)
    done = starts(restarted.path)

    assert done.returncode == 1
    assert "the file is damaged" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert restarted.path.read_bytes().startswith(b"not a database")
