"""Nicks that are yours, as people have them: with nc, with telnet, with bots, over a restart, and against guessers."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.admin_client import Operator
from tests.e2e.harness import DEADLINE_S, Server, User, wait_until
from tests.e2e.restarted import stored_bytes
from tests.e2e.rich_user import RichUser
from tests.e2e.tools import Screen, need

SECRET, WRONG = "tea4two!", "coffee4two!"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(history_path=tmp_path / "h.db") as server:
        yield server


def registered(server: Server, nick: str, secret: str = SECRET) -> User:
    user = server.join(nick)
    user.says(f"/register {secret}")
    user.sees(f"> The nick {nick} is yours")
    return user


def leaves(user: User) -> None:
    user.says("/quit")
    user.sees_end()
    user.sock.close()


def logged_in(server: Server, nick: str, secret: str = SECRET, source: str = "") -> User:
    user = server.connect(source=source)
    user.says(f"/login {nick}", secret)
    user.sees(f"> You are logged in as {nick}")
    return user


# --- Users of nc -----------------------------------------------------------------------------------------------------


def test_a_nick_that_was_registered_is_its_users_and_nobody_elses(server: Server) -> None:
    alice = registered(server, "alice")
    with server.join() as bob:
        for nick in ("alice", "ALICE", "аlice", "ａｌｉｃｅ"):
            bob.says(f"/nick {nick}")
            assert bob.sees("> ").startswith(("> The nick ", "> A nick cannot mix"))
        for nick in ("alicẹ", "alice\u0323", "álice", "alice\u0332"):
            bob.says(f"/nick {nick}")
            assert bob.sees("> The nick ").endswith("looks like alice, which is registered; choose another")
        leaves(alice)
        bob.says("/nick alice")
        bob.sees("> The nick alice is registered; if it is yours, /login alice")
        with logged_in(server, "alice") as again:
            again.says("it is me")
            bob.sees("[alice] it is me")


def test_the_secret_is_said_to_nobody_and_stands_nowhere(tmp_path: Path) -> None:
    asked = Server(history_path=tmp_path / "h.db", log_level="debug", admin_enabled="true", admin_port=0)
    with asked as server, server.join("bob") as bob:
        operator = Operator(server)
        with registered(server, "alice") as alice:
            alice.says(
                "/logout", "/login alice", SECRET, "/passwd", SECRET, WRONG, f"/ login x {WRONG}", f"/lgoin x {WRONG}"
            )
            alice.says(f"/login alice {WRONG}", "/login", f"/passwd {WRONG}", "/unregister", "/who", "/register", WRONG)
            alice.says("/login carol", WRONG, "end of it")
            bob.sees("[alice] end of it")
        shown = [json.dumps(operator.asks("GET", path)).encode() for path in ("/status", "/accounts", "/users")]
        server.stop()
        stored = stored_bytes(tmp_path)
        for secret in (SECRET.encode(), WRONG.encode()):
            assert secret not in bob.received + stored + (server.log + server.shown).encode() + b"".join(shown)
        assert b"argon2id" in stored
        assert b"argon2id" not in b"".join(shown)


def test_the_line_after_a_login_is_the_secret_and_a_command_or_an_empty_line_ends_that(server: Server) -> None:
    with registered(server, "alice") as alice, server.join("bob") as bob:
        bob.says("/login alice")
        bob.sees_bytes(b"> The secret of alice: type it as your next line")  # behind what telnet is asked
        bob.says("/ping still here")
        bob.sees("> No secret was typed, so nothing is changed")
        bob.sees("> pong still here")
        bob.says("/login alice", "")
        bob.sees("> No secret was typed, so nothing is changed")
        bob.says("/login nobody")
        bob.sees_bytes(b"> Nobody has registered nobody")
        bob.says("my secret")
        bob.sees("> Nobody has registered nobody")
        bob.says("/login alice", "x" * 9000, "hello")
        bob.sees("> Not sent: the line is longer")
        alice.sees("[bob] hello")
        assert b"my secret" not in alice.received
        assert b"xxx" not in alice.received


def test_a_pipe_logs_in_and_speaks_as_its_user(server: Server) -> None:
    leaves(registered(server, "ci"))
    with server.join("bob") as bob:
        piped = f"/login ci {SECRET}\ndone\n".encode()
        done = subprocess.run(
            [need("nc"), "-N", "127.0.0.1", str(server.port)],
            input=piped,
            capture_output=True,
            timeout=DEADLINE_S,
            check=True,
        )
        bob.sees("[ci] done")
        assert b"> You are logged in as ci" in done.stdout
        bob.sees("< The user ci left")


def test_each_of_two_logins_in_one_packet_has_its_answer_in_its_place(server: Server) -> None:
    leaves(registered(server, "alice"))
    with server.join("bob") as bob:
        bob.sends(f"/login alice {WRONG}\nfirst\n/login alice {SECRET}\nsecond\n/ping last\n".encode())
        bob.sees("> That is not the secret")
        bob.sees("> You are logged in as alice")
        bob.sees("> pong last")
        with server.join() as carol:
            carol.says("/history")
            carol.sees_bytes(b"[bob] first")
            carol.sees_bytes(b"[alice] second")


def test_telnet_does_not_show_the_secret(server: Server, tmp_path: Path) -> None:
    leaves(registered(server, "alice"))
    with Screen(tmp_path, need("telnet"), "127.0.0.1", str(server.port)) as screen:
        screen.shows("[You]")
        screen.says("/login alice")
        screen.shows("The secret of alice")
        screen.says(SECRET)
        screen.shows("You are logged in as alice")
        screen.says("visible again")
        screen.shows("visible again")
        assert not any(SECRET in line for line in screen.lines)


# --- Coming back -----------------------------------------------------------------------------------------------------


def test_a_login_displaces_a_ghost_and_has_its_room_and_rank(server: Server) -> None:
    with registered(server, "alice") as ghost, server.join("bob", "dev") as bob:
        ghost.says("/join tea", "/mode +m")
        ghost.sees("> alice made tea moderated")
        with logged_in(server, "alice") as again:
            assert b"> You are now in tea (1 user online)\n" in again.received
            ghost.sees("> You have connected again from elsewhere")
            ghost.sees_end()
            again.says("/mode")
            again.sees("> Operators: alice")
            bob.says("/msg alice psst")
            again.sees("[bob -> you] psst")


def test_after_a_restart_the_nick_and_the_rank_are_still_its_users(tmp_path: Path) -> None:
    with Server(history_path=tmp_path / "h.db") as server, registered(server, "alice") as alice:
        alice.says("/join dev")
        alice.sees("> You are now in dev")
        server.stop()
    with Server(history_path=tmp_path / "h.db") as server, server.join() as mallory:
        mallory.says("/nick alice")
        mallory.sees("> The nick alice is registered")
        with logged_in(server, "alice") as again:
            assert b"> You are now in dev (1 user online)\n" in again.received
            again.says("/mode")
            again.sees("> Operators: alice")


def test_a_server_that_is_killed_as_soon_as_a_nick_is_registered_knows_that(tmp_path: Path) -> None:
    with Server(history_path=tmp_path / "h.db") as server, registered(server, "alice"):
        server.kill()
    with Server(history_path=tmp_path / "h.db") as server, server.join() as mallory:
        mallory.says("/nick alice")
        mallory.sees("> The nick alice is registered")


def test_a_damaged_note_closes_its_account(tmp_path: Path) -> None:
    import sqlite3

    with Server(history_path=tmp_path / "h.db") as server:
        leaves(registered(server, "alice"))
        leaves(registered(server, "bob"))
    database = sqlite3.connect(tmp_path / "h.db")
    with database:
        assert (
            database.execute("UPDATE notes SET value = x'7b7d' WHERE kind = 'account' AND key = 'alice'").rowcount == 1
        )
    database.close()
    with Server(history_path=tmp_path / "h.db") as server, server.join() as user:
        assert "the account alice cannot be read: it is closed until it is removed" in server.log
        for line in ("/nick alice", f"/login alice {SECRET}", "/register alice"):
            user.says(line)
            user.sees("> ")
        assert b"logged in" not in user.received
        user.says(f"/login bob {SECRET}")
        user.sees("> You are logged in as bob")


# --- Bots ------------------------------------------------------------------------------------------------------------


def test_bots_register_log_in_and_come_back_with_the_secret_in_the_hello(server: Server) -> None:
    with RichUser(server, nick="bot", room="dev") as bot:
        token = bot.sees("welcome")["token"]
        bot.asks({"type": "register", "id": "1", "secret": SECRET})
        bot.sees("done", id="1")
        bot.sees("account", account="bot")
        with RichUser(server, room="dev") as one, RichUser(server, room="dev") as two:
            bot.says("hello", "1a")
            for user in (one, two):  # whoever has heard that, on either of two nodes, is where the account is known
                user.sees("said", text="hello")
        with RichUser(server, nick="bot", secret=SECRET) as again:
            assert again.sees("welcome", nick="bot", account="bot", room="dev")["token"] != token
            bot.sees("closing", code="replaced")
            again.sees("live")
            again.asks({"type": "passwd", "id": "2", "secret": SECRET, "new": WRONG})
            again.sees("done", id="2")
            again.asks({"type": "logout", "id": "3"})
            assert again.sees("named")["nick"] != "bot"
            again.sees("done", id="3")
            again.sees("account", account="")
            again.asks({"type": "login", "id": "4", "nick": "bot", "secret": SECRET})
            again.sees("refused", id="4", code="wrong_secret")
            again.asks({"type": "login", "id": "5", "nick": "bot", "secret": WRONG})
            again.sees("named", nick="bot")
            again.sees("done", id="5")
        with RichUser(server, nick="bot", token=token) as mallory:
            assert mallory.sees("welcome").get("account", "") == ""
            mallory.sees("refused", code="registered")
        with RichUser(server, nick="bot", secret=SECRET) as mallory:
            assert mallory.sees("welcome")["nick"] != "bot"
            mallory.sees("refused", code="wrong_secret")
            mallory.asks({"type": "unregister", "id": "6", "nick": "bot", "secret": WRONG})
            mallory.sees("done", id="6")


def test_a_hello_with_a_secret_that_comes_late_logs_in_too(server: Server) -> None:
    leaves(registered(server, "alice"))
    with server.join() as user:
        user.says("GCHAT/1 " + json.dumps({"nick": "alice", "secret": SECRET}))
        user.sees_bytes(b'"nick":"alice"')
        user.sees_bytes(b'"account":"alice"')


# --- What the operator decides ---------------------------------------------------------------------------------------


def test_where_a_login_is_required_strangers_see_and_say_nothing() -> None:
    with Server(auth_required="true") as server, server.connect() as stranger, server.connect() as bob:
        for user in (stranger, bob):
            user.sees("> Only users who are logged in may talk here: /login NAME, or take a nick")
        bob.says("/nick bob", "/register " + SECRET)
        bob.sees("> You are now in lobby")
        stranger.says("hello", "/who", "/help login")
        stranger.sees("> Only users who are logged in may talk here")
        stranger.sees("> Only users who are logged in may talk here")
        stranger.sees("> /login NAME [SECRET]")
        bob.says("nobody else hears this", "/who")
        bob.sees("> In lobby (1 user online): bob (you)")
        stranger.does_not_see(b"nobody else")
        with RichUser(server, nick="x", room="lobby") as rich:
            assert rich.sees("welcome").get("room", "") == ""
            rich.sees("refused", code="login_needed")


def test_the_operator_makes_and_removes_accounts(tmp_path: Path) -> None:
    asked = Server(history_path=tmp_path / "h.db", auth_registration="operator", admin_enabled="true", admin_port=0)
    with asked as server, server.join("alice") as alice:
        operator = Operator(server)
        alice.says("/register " + SECRET)
        alice.sees("> Users cannot register here")
        made = operator.asks("POST", "/accounts", name="alice", secret=SECRET)
        assert made["name"] == "alice"
        with logged_in(server, "alice") as owner:
            alice.sees("> The nick alice is registered, and its user has come")
            assert [each["online"] for each in operator.asks("GET", "/accounts")["accounts"]] == [True]
            operator.asks("DELETE", "/accounts/alice")
            owner.says("/logout")
            owner.sees("> You are not logged in")
        alice.sees("< The user alice left")
        alice.says("/nick alice")
        alice.sees("> You are now alice")


# --- Guessers --------------------------------------------------------------------------------------------------------


def test_a_guesser_is_slowed_and_the_owner_gets_in_from_elsewhere(tmp_path: Path) -> None:
    with Server(history_path=tmp_path / "h.db", limits_messages_per_s=0) as server:
        leaves(registered(server, "alice"))
        stops = threading.Event()
        answers: list[bytes] = []

        def guesses(source: str) -> None:
            while not stops.is_set():
                with server.connect(source=source) as guesser:
                    guesser.sends(b"".join(b"/login alice guess-%d\n" % number for number in range(100)) + b"/quit\n")
                    guesser.sees_end()
                    answers.append(guesser.received)

        guessers = [threading.Thread(target=guesses, args=(f"127.0.0.{9 + each}",)) for each in range(3)]
        for guesser in guessers:
            guesser.start()
        try:
            wait_until(
                lambda: any(b"> Too many wrong secrets" in answer for answer in answers), "the guessers are slowed"
            )
            for _ in range(3):
                with logged_in(server, "alice", source="127.0.0.77") as owner:
                    owner.says("/logout")
                    owner.sees("> You are not logged in as alice")
        finally:
            stops.set()
            for guesser in guessers:
                guesser.join()
        assert b"logged in" not in b"".join(answers)
        with server.connect(source="127.0.0.9") as late:  # the right one from there waits too
            late.says("/login alice " + SECRET)
            late.sees("> Too many wrong secrets from your address; try again in")
