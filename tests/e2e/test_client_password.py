"""gchat-client and a server that has a password: from a file, or typed unseen; and what comes of a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.test_client_command import assert_refused, at, run
from tests.e2e.harness import Server, wait_until
from tests.e2e.terminals import Terminal, client

PASSWORD = "open sesame"
PROMPT = "Password of the server:"


def secret(path: Path, text: str) -> str:
    path.write_text(f"{text}\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def password_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    return secret(tmp_path_factory.mktemp("password") / "password", PASSWORD)


@pytest.fixture
def server(password_file: str) -> Iterator[Server]:
    with Server(limits_messages_per_s=0, auth_password_file=password_file) as server:
        yield server


def test_a_pipe_has_the_password_in_a_file(server: Server, password_file: str, tmp_path: Path) -> None:
    done = run(at(server, "--nick", "ci", "--password-file", password_file), b"done\n")
    assert (done.returncode, done.stderr, done.stdout) == (0, b"", b"")
    assert_refused(run(at(server, "--nick", "ci"), b"x"), 1, "password", "use --password-file FILE")
    wrong = secret(tmp_path / "wrong", "guess")
    assert_refused(run(at(server, "--password-file", wrong), b"x"), 1, "password", "use --password-file FILE")


def test_a_person_types_it_unseen_and_a_connection_that_is_lost_comes_back_with_it(
    server: Server, password_file: str, tmp_path: Path
) -> None:
    with client(tmp_path, server, "alice", "lobby") as screen:
        screen.shows(PROMPT)
        screen.types("guess")
        screen.presses("Enter")
        screen.shows(PROMPT, times=2)
        screen.types(PASSWORD)
        screen.presses("Enter")
        screen.is_ready("alice")
        assert not any(word in line for line in screen.history for word in ("guess", "sesame"))
        server.process.kill()
        server.process.wait()
        screen.shows("next attempt")
        settings = {"limits_messages_per_s": 0, "auth_password_file": password_file}
        with Server(port=server.port, **settings) as again:  # type: ignore[arg-type]
            screen.shows(" online │ alice")
            screen.says("hello again")
            # On the screen it stands while it is typed too, and lines that come at once are a paste.
            wait_until(lambda: "hello again" in again.shown, "it is said")
            screen.says("/quit")
            screen.ended()
            assert PASSWORD not in again.log
    for path in (tmp_path / ".local" / "state" / "gchat").iterdir():
        assert "sesame" not in path.read_text()


def test_nobody_has_to_type_it(server: Server, tmp_path: Path) -> None:
    with client(tmp_path, server, "bob", "lobby") as screen:
        screen.shows(PROMPT)
        screen.types("half")
        screen.presses("C-c")
        screen.ended(1)
    with client(tmp_path, server, "bob", "lobby") as screen:
        for times in (1, 2, 3):
            screen.shows(PROMPT, times=times)
            screen.types("guess")
            screen.presses("Enter")
        screen.ended(1)


def test_on_a_terminal_in_lines_it_is_typed_where_the_server_asks(server: Server, tmp_path: Path) -> None:
    with Terminal(tmp_path, server, "--plain") as screen:
        screen.shows("password")
        screen.types(PASSWORD)
        screen.presses("Enter")
        screen.shows("Connected to the chat server")
        screen.shows("•" * len(PASSWORD))
        screen.says("hello")
        screen.shows("[You] hello")
        screen.presses("C-d")
        screen.ended()
    remembered = (tmp_path / ".local" / "state" / "gchat" / "history").read_text()
    assert "+hello\n" in remembered
    assert "sesame" not in remembered
