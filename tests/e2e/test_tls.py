"""TLS against a real server: T25 of the threats, and everything that plain text promises too."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gchat.server.settings import TlsSection
from tests.certificates import certificate, client_context
from tests.e2e.crowd import SKIPPED, raise_descriptor_limit
from tests.e2e.harness import DEADLINE_S, PROMPT, Server, User, wait_until
from tests.e2e.tls_records import RecordPeer
from tests.e2e.tools import need

pytestmark = pytest.mark.usefixtures("all_speak_plain")


@pytest.fixture(autouse=True, scope="module")
def _many_descriptors() -> None:
    raise_descriptor_limit()


@pytest.fixture
def section(tmp_path: Path) -> TlsSection:
    return certificate(tmp_path)


class TlsServer(Server):
    """A server with a certificate."""

    def __init__(self, section: TlsSection, **settings: object) -> None:
        # A shared machine may take long for a handshake, and then a peer would be greeted in plain text.
        settings = {"server_greeting_delay_s": 0.5, "history_store": "memory", **settings}
        super().__init__(tls_cert=section.cert, tls_key=section.key, **settings)  # type: ignore[arg-type]
        self.section = section

    def connect_in_tls(self, receive_buffer: int = 0) -> User:
        """Connect, with a handshake, and wait for nothing."""
        user = self.connect(receive_buffer=receive_buffer)
        user.sock = client_context(self.section).wrap_socket(user.sock, server_hostname="localhost")
        return user

    def join_in_tls(self, nick: str, receive_buffer: int = 0) -> User:
        """Connect, with a handshake, and take a nick."""
        user = self.connect_in_tls(receive_buffer)
        user.sees_bytes(PROMPT)
        user.says(f"/nick {nick}")
        user.sees(f"> You are now {nick}")
        user.name = nick
        return user

    def handshakes(self) -> dict[str, float]:
        """Return how many handshakes there were, by result."""
        found = self.asks("/metrics").splitlines()
        lines = [line for line in found if line.startswith("gchat_tls_handshakes_total")]
        return {re.findall('"(.*)"', line)[0]: float(line.split()[1]) for line in lines}

    def asks(self, path: str) -> str:
        """Return what the admin endpoint answers."""
        wait_until(lambda: "admin page: " in self.log, "the admin endpoint is up")
        found = re.search(r"admin page: (https://\S+)/", self.log)
        assert found
        context = client_context(self.section)
        with urllib.request.urlopen(f"{found[1]}{path}", timeout=DEADLINE_S, context=context) as answer:
            return str(answer.read().decode())


@contextmanager
def program(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program that talks on its pipes."""
    with subprocess.Popen(
        [need(command[0]), *command[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def says(process: subprocess.Popen[bytes], text: str) -> None:
    assert process.stdin
    process.stdin.write(text.encode())
    process.stdin.flush()


# --- Programs that people have ----------------------------------------------------------------------------------------


def test_s_client_and_ncat_and_plain_nc_talk_in_one_room(section: TlsSection) -> None:
    with TlsServer(section) as server, server.join("nora") as nora:
        at = f"127.0.0.1:{server.port}"
        with (
            program("openssl", "s_client", "-quiet", "-connect", at) as openssl,
            program("ncat", "--ssl", "127.0.0.1", str(server.port)) as ncat,
        ):
            nora.sees("> New user")
            nora.sees("> New user")
            says(openssl, "/nick olga\nhello from s_client\n")
            nora.sees("[olga] hello from s_client")
            says(ncat, "/nick nick\nhello from ncat\n")
            nora.sees("[nick] hello from ncat")
            nora.says("hello in the clear")
            for process in (openssl, ncat):
                assert process.stdout
                while b"[nora] hello in the clear\n" not in process.stdout.readline():
                    pass


def test_an_answer_comes_to_a_pipe_that_has_ended_and_a_last_line_is_said_as_in_plain_text(
    section: TlsSection,
) -> None:
    with TlsServer(section) as server, server.join("nora") as nora:
        done = subprocess.run(
            [need("ncat"), "--ssl", "127.0.0.1", str(server.port)],
            input=b"/ping here\nunterminated",
            capture_output=True,
            check=True,
            timeout=DEADLINE_S,
        )
        assert b"> pong here\n" in done.stdout
        assert "] unterminated" in nora.sees("[")


def test_a_peer_that_ends_its_half_by_tls_alone_gets_its_answer_and_the_end(section: TlsSection) -> None:
    """So does Go's CloseWrite: the stream of TCP goes on."""
    with TlsServer(section) as server:
        peer = RecordPeer(server.port, section)
        with peer.sock:
            peer.sends(peer.data(b"/ping here\n") + peer.close_notify())
            assert b"> pong here\n" in peer.reads_to_the_end()


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(section: TlsSection, version: str) -> None:
    command = [need("openssl"), "s_client", version, "-cipher", "ALL:@SECLEVEL=0", "-connect"]
    with TlsServer(section, admin_enabled=True, admin_port=0) as server:
        done = subprocess.run(
            [*command, f"127.0.0.1:{server.port}"],
            input=b"",
            capture_output=True,
            check=False,
            timeout=DEADLINE_S,
        )
        assert done.returncode == 1
        assert b"alert protocol version" in done.stderr
        assert server.handshakes()["failed"] == 1


def test_the_oldest_version_can_be_the_newest(section: TlsSection) -> None:
    context = client_context(section)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        TlsServer(section, tls_min_version="1.3") as server,
        server.connect() as user,
        pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"),
    ):
        context.wrap_socket(user.sock, server_hostname="localhost")


def test_renegotiation_is_refused_and_the_others_notice_nothing(section: TlsSection) -> None:
    with TlsServer(section) as server, server.join("nora") as nora:
        at = f"127.0.0.1:{server.port}"
        with program("openssl", "s_client", "-tls1_2", "-connect", at) as openssl:
            nora.sees("> New user")
            says(openssl, "R\n")
            says(openssl, "said after it\n")
            time.sleep(0.2)
        nora.says("/ping here")
        nora.sees("> pong here")


# --- What is in the clear ---------------------------------------------------------------------------------------------


def test_where_tls_is_required_plain_text_gets_one_readable_line(section: TlsSection) -> None:
    with TlsServer(section, tls_required=True) as server, server.join_in_tls("ted") as ted:
        with server.connect() as plain:
            plain.says("hello")
            assert "takes TLS only; connect with gchat-client --tls" in plain.sees("> This server")
            plain.sees_end()
            assert plain.received.count(b"\n") == 1
        with server.connect() as rich:
            rich.says('GCHAT/1 {"nick":"rita"}')
            refused = json.loads(rich.sees("{"))
            assert refused["code"] == "tls_needed"
            assert json.loads(rich.sees("{"))["type"] == "closing"
            rich.sees_end()
        with server.connect() as browser:
            browser.sends(b"GET / HTTP/1.1\r\n\r\n")
            browser.sees("HTTP/1.1 400")
            browser.sees_end()
        with server.connect() as silent:
            silent.sees("> This server takes TLS only")
            silent.sees_end()
        ted.does_not_see(b"hello")


def test_users_in_tls_are_shown_as_such(section: TlsSection) -> None:
    with (
        TlsServer(section, admin_enabled=True, admin_port=0) as server,
        server.join("nora"),
        server.join_in_tls("ted"),
    ):
        users = json.loads(server.asks("/users"))["users"]
        assert {user["nick"]: user["tls"] for user in users} == {"nora": "", "ted": "TLSv1.3"}
        assert server.handshakes()["done"] >= 2


# --- Slow readers, and much to read -----------------------------------------------------------------------------------


def test_a_slow_reader_in_tls_is_told_what_it_missed_and_delays_nobody(section: TlsSection) -> None:
    lines = 1200
    with (
        TlsServer(section, limits_messages_per_s=0, limits_room_log_bytes=65536) as server,
        server.join("nora") as nora,
        server.join("norman") as norman,
        server.join_in_tls("sally", receive_buffer=4096) as sally,
        server.join_in_tls("ted") as ted,
    ):
        for first in range(0, lines, 100):
            nora.says(*(f"{number:05} " + "x" * 300 for number in range(first, first + 100)))
            norman.sees(f"[nora] {first + 99:05} ")
            ted.sees(f"[nora] {first + 99:05} ")
        sally.sees("> …")
        nora.says("the end")
        sally.sees("[nora] the end")
        heard = sally.received.decode().splitlines()
        skips = [found for line in heard if (found := SKIPPED.match(line))]
        missed = sum(int(found[1].replace(",", "")) for found in skips)
        numbers = [int(line[7:12]) for line in heard if re.match(r"\[nora\] \d{5} x{300}$", line)]
        assert skips
        assert numbers == sorted(set(numbers))
        assert missed + len(numbers) == lines


@pytest.mark.parametrize("fragments", [(), ("-maxfraglen", "512")])
def test_many_mib_arrive_whole_through_pauses(section: TlsSection, fragments: tuple[str, ...]) -> None:
    size, count = 8000, 1500
    with (
        TlsServer(section, limits_messages_per_s=0, limits_room_log_bytes=1 << 24) as server,
        server.join("nora") as nora,
        program("openssl", "s_client", "-quiet", *fragments, "-connect", f"127.0.0.1:{server.port}") as openssl,
    ):
        nora.sees("> New user")
        openssl.send_signal(signal.SIGSTOP)
        for number in range(count):
            nora.says(f"{number:05}" + chr(97 + number % 26) * size)
            if number % 300 == 0:
                openssl.send_signal(signal.SIGCONT)
                nora.says("/ping here")
                nora.sees("> pong here")
                openssl.send_signal(signal.SIGSTOP)
        openssl.send_signal(signal.SIGCONT)
        assert openssl.stdout
        expected = (f"[nora] {number:05}{chr(97 + number % 26) * size}\n".encode() for number in range(count))
        line = b""
        while not line.startswith(b"[nora] 00000"):
            line = openssl.stdout.readline()
        assert line == next(expected)
        for each in expected:
            assert openssl.stdout.readline() == each


def test_a_peer_that_sends_much_in_tls_is_read_to_its_end(section: TlsSection) -> None:
    with (
        TlsServer(section, limits_messages_per_s=0) as server,
        server.join("nora") as nora,
        server.join_in_tls("ted") as ted,
    ):
        data = b"".join(b"%05d %s\n" % (number, b"x" * 500) for number in range(1000))
        ted.sends(data)
        ted.closes()
        nora.sees("[ted] 00999 ")
        nora.sees("< The user ted left")


# --- Those who mean no good -------------------------------------------------------------------------------------------


def test_a_thousand_half_open_handshakes_cost_nobody_anything(section: TlsSection) -> None:
    with (
        TlsServer(section, admin_enabled=True, admin_port=0) as server,
        server.join("nora") as nora,
        server.join_in_tls("ted") as ted,
        ExitStack() as end,
    ):
        for number in range(1100):
            user = end.enter_context(server.connect())
            user.sends(b"\x16" if number % 2 else b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        for number in range(20):
            nora.says(f"line {number}")
            ted.sees(f"[nora] line {number}")
        with server.join_in_tls("late"):
            nora.sees("> ")
        wait_until(lambda: server.handshakes()["timed_out"] >= 900, "they are given up")
        assert server.handshakes()["cut_off"] >= 90  # more than are kept at a time
        nora.says("still here")
        ted.sees("[nora] still here")


def test_peers_that_break_off_at_any_place_end_alone(section: TlsSection) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client_context(section).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    first = outgoing.read()
    with TlsServer(section) as server, server.join("nora") as nora:
        for length in range(1, len(first), 7):
            with server.connect() as user:
                user.sends(first[:length])
                if length % 2:
                    user.resets()
        with server.connect_in_tls() as user:
            user.resets()
        nora.says("/ping here")
        nora.sees("> pong here")


# --- The certificate --------------------------------------------------------------------------------------------------


def test_a_reload_under_load_drops_nobody_and_shows_the_new_certificate(section: TlsSection, tmp_path: Path) -> None:
    with (
        TlsServer(section, limits_messages_per_s=0) as server,
        server.join_in_tls("ted") as ted,
        server.join_in_tls("tina") as tina,
    ):
        for number in range(10):
            ted.says(*(f"{number}.{line}" for line in range(50)))
            certificate(tmp_path)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda number=number: server.log.count("certificate reloaded") > number, "reloaded")  # type: ignore[misc]
            with server.join_in_tls(f"new{number}"):  # which trusts the new one alone
                pass
        Path(section.cert).write_text("nonsense")
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "certificate not reloaded, the old one stays: " in server.log, "not reloaded")
        for number in range(10):
            for line in range(50):
                tina.sees(f"[ted] {number}.{line}")


def ran(section: TlsSection, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a certificate until it ends."""
    server = TlsServer(section)
    with server._directory:
        return subprocess.run(
            [*server.command, *arguments],
            env=server.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )


@pytest.mark.parametrize("arguments", [(), ("--check-config",)])
def test_a_certificate_that_has_ended_is_one_clear_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = ran(certificate(tmp_path, days=-2), *arguments)

    assert done.returncode == 1
    assert re.fullmatch(r'gchat-server: cannot use TLS: tls.cert = ".*": it ended on .* UTC; renew it\n', done.stderr)


def test_a_certificate_that_ends_soon_is_warned_of(tmp_path: Path) -> None:
    section = certificate(tmp_path, days=5)
    with TlsServer(section) as server:
        wait_until(lambda: "renew it" in server.log, "the warning")
    assert "renew it" in ran(section, "--check-config").stderr


@pytest.mark.parametrize("last_words", [b"", b"/quit\n"])
def test_new_keys_without_end_do_not_hold_the_loop(section: TlsSection, last_words: bytes) -> None:
    """The server would fail if it had held its loop for MAX_BLOCKING_S."""
    with TlsServer(section) as server:
        sends_new_keys_without_end(server.port, section, last_words)


def test_new_keys_without_end_do_not_hold_the_loop_at_the_endpoint_either(section: TlsSection) -> None:
    with TlsServer(section, admin_enabled=True, admin_port=0) as server:
        assert b"HTTP" not in sends_new_keys_without_end(admin_port(server), section)


def sends_new_keys_without_end(port: int, section: TlsSection, first: bytes = b"") -> bytes:
    """Return what the peer gets before its connection is ended."""
    peer = RecordPeer(port, section)
    with peer.sock:
        records = peer.data(first) if first else b""
        try:
            peer.sends(records + b"".join(peer.new_keys() for _ in range(60_000)))
        except ConnectionError:
            pass  # it is ended while they are sent
        return peer.reads_to_the_end()


def admin_port(server: TlsServer) -> int:
    wait_until(lambda: "admin page: " in server.log, "the admin endpoint is up")
    found = re.search(r"admin page: https://127.0.0.1:(\d+)/", server.log)
    assert found
    return int(found[1])


def test_the_admin_endpoint_is_in_tls_too(section: TlsSection) -> None:
    with TlsServer(section, admin_enabled=True, admin_port=0) as server:
        assert json.loads(server.asks("/status"))["online"] == 0
        with socket.create_connection(("127.0.0.1", admin_port(server))) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"begin the URL with https://" in plain.makefile("rb").read()
