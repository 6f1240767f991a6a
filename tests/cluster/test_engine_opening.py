"""What keeps a node from an engine is one line, which says what to do; and no line says the password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent import ssl as gevent_ssl
from gevent.server import StreamServer

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.journal.journal import JournalError
from tests.certificates import certificate
from tests.cluster.engines import wait_until_in_loop
from tests.cluster.members import Node, reads_from
from tests.cluster.replicas import HOST, Sentinel, TcpEngine, free_port

SECRET = "p@ss:w/rd"


@pytest.fixture
def engine() -> Iterator[TcpEngine]:
    with TcpEngine() as process:
        yield process


@pytest.fixture
def locked() -> Iterator[TcpEngine]:
    with TcpEngine(requirepass=SECRET) as process:
        yield process


def why_not(url: str) -> str:
    """Return why a node does not start with this engine: one line."""
    with pytest.raises(JournalError) as caught:
        Node(url, "alice").__enter__()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    assert SECRET not in said
    return said


def answering(data: bytes) -> StreamServer:
    """Return a server that answers everything with this; without it, with nothing."""

    def answer(sock: socket.socket, _address: object) -> None:
        while data and sock.recv(1000):
            sock.sendall(data)
        gevent.sleep(0 if data else 30)

    server = StreamServer((HOST, 0), answer)
    server.start()
    return server


def test_a_password_that_is_missing_or_wrong_is_said(locked: TcpEngine) -> None:
    place = f"{HOST}:{locked.port}"
    assert why_not(locked.url) == (
        f"{place} wants a password; expected valkey://:PASSWORD@HOST or valkey://USER:PASSWORD@HOST"
    )
    assert why_not(f"valkey://:p%40ss@{place}") == f"{place} refuses the password"
    assert why_not(f"valkey://nobody:{SECRET}@{place}") == f"{place} refuses the password"


def test_with_the_password_by_any_way_a_node_starts(locked: TcpEngine) -> None:
    locked.asks_with(SECRET, "ACL", "SETUSER", "chat", "on", f">{SECRET}", "~{test}:*", "&{test}:*", "+@all", "-@admin")
    secret = "p%40ss:w%2Frd"
    for url in (
        f"valkey://:{secret}@{HOST}:{locked.port}",
        f"redis://default:{secret}@{HOST}:{locked.port}/3",
        f"unix://:{secret}@{locked.path}?db=2",
    ):
        with Node(url, "alice") as alice:
            alice.says()
            alice.shows("alice 1")


def test_a_user_who_may_not_do_what_is_needed_is_told_what_that_is(engine: TcpEngine) -> None:
    engine.asks("ACL", "SETUSER", "chat", "on", ">x", "~other*", "+@all")
    said = why_not(f"valkey://chat:x@{HOST}:{engine.port}")
    assert said.startswith("the engine does not let this server do what it must: its user needs ")


def test_databases_are_apart(engine: TcpEngine) -> None:
    with Node(f"{engine.url}/0", "alice") as alice, Node(f"{engine.url}/1", "bob") as bob:
        alice.says(3)
        alice.shows("alice 3")
        assert bob.journal.next_seq("lobby") == 1
        assert alice.link.base != bob.link.base


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "what answers is no engine"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "has not loaded its data yet; try again soon"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "is a replica that has lost its primary"),
        (b"-DENIED Redis is running in protected mode because\r\n", "takes no connections from other machines"),
        (b"-ERR max number of clients reached\r\n", "ERR max number of clients reached"),
        (b"+PONG\r\n", ""),
    ],
)
def test_what_answers_in_another_way_is_no_engine_that_can_be_used(answer: bytes, why: str) -> None:
    server = answering(answer)
    try:
        said = why_not(f"valkey://{HOST}:{server.server_port}")
        assert why in said
        assert f"{HOST}:{server.server_port}" in said
    finally:
        server.stop()


def test_one_that_does_not_answer_is_not_waited_for() -> None:
    server = answering(b"")
    try:
        assert why_not(f"valkey://{HOST}:{server.server_port}") == f"{HOST}:{server.server_port} does not answer"
    finally:
        server.stop()
    port = free_port()
    assert why_not(f"valkey://{HOST}:{port}") == f"{HOST}:{port} cannot be reached: connection refused"


def test_a_replica_takes_no_messages_and_that_is_said(engine: TcpEngine) -> None:
    with TcpEngine(replicaof=f"{HOST} {engine.port}") as replica:
        assert why_not(replica.url) == (
            f"{HOST}:{replica.port} is a replica, which takes no messages; "
            "expected the address of the primary, or its sentinels"
        )


def test_a_primary_that_becomes_a_replica_is_left(engine: TcpEngine) -> None:
    with TcpEngine(replicaof=f"{HOST} {engine.port}", repl_diskless_sync_delay=0) as other:
        wait_until_in_loop(lambda: b"master_link_status:up" in other.asks("INFO", "replication"))
        with Node(engine.url, "alice") as alice:
            alice.says(3)
            alice.shows("alice 3")
            wait_until_in_loop(lambda: other.asks("HGET", "{test}:heads", "lobby") == b"3")
            alice.moves_to(other.url)
            other.asks("REPLICAOF", "NO", "ONE")
            engine.follows(other)
            alice.says()
            alice.shows("alice 4")
            assert alice.losses == []


def test_what_sentinels_do_not_know_is_said(engine: TcpEngine) -> None:
    with Sentinel(engine) as sentinel:
        wait_until_in_loop(sentinel.primary, "the sentinel answers")
        with Node(f"valkey+sentinel://{HOST}:{free_port()},{HOST}:{sentinel.port}/gchat", "alice") as alice:
            alice.says()
            alice.shows("alice 1")
        place = f"{HOST}:{sentinel.port}"
        assert why_not(f"valkey+sentinel://{place}/chat") == f'the sentinel {place} knows no primary called "chat"'
        assert "is no sentinel" in why_not(f"valkey+sentinel://{HOST}:{engine.port}/gchat")
        port = free_port()
        assert (
            why_not(f"valkey+sentinel://{HOST}:{port}/gchat") == f"{HOST}:{port} cannot be reached: connection refused"
        )


# In https://github.com/redis/go-redis/issues/3652 one sentinel that did not answer kept a client from the others.
def test_a_sentinel_that_does_not_answer_keeps_nobody_from_the_others(engine: TcpEngine) -> None:
    silent = answering(b"")
    with Sentinel(engine) as sentinel:
        wait_until_in_loop(sentinel.primary, "the sentinel answers")
        url = f"valkey+sentinel://{HOST}:{silent.server_port},{HOST}:{sentinel.port}/gchat"
        with Node(url, "alice") as alice:
            alice.says()
            alice.shows("alice 1")
        assert f"{HOST}:{silent.server_port}" in why_not(f"valkey+sentinel://{HOST}:{silent.server_port}/gchat")
    silent.stop()


# In https://github.com/nanopack/redundis/pull/4 the password went to a sentinel that has none, and was refused there;
# in https://github.com/predis/predis/issues/391 a sentinel that has one was not given it.
@pytest.mark.parametrize("own_secret", ["", "secret"])
def test_the_password_is_for_the_engine_and_for_sentinels_that_want_one(own_secret: str) -> None:
    with TcpEngine(requirepass="secret") as engine, Sentinel(engine, "secret", own_secret) as sentinel:
        wait_until_in_loop(sentinel.primary, "the sentinel answers")
        with Node(f"valkey+sentinel://:secret@{HOST}:{sentinel.port}/gchat", "alice") as alice:
            alice.says()
            alice.shows("alice 1")


# In https://github.com/redis/redis-py/issues/435 a client went on to write to a primary that had become a replica and
# was still there, and to fail.
def test_a_primary_that_an_operator_has_changed_is_left_at_once(engine: TcpEngine) -> None:
    with (
        TcpEngine(replicaof=f"{HOST} {engine.port}", repl_diskless_sync_delay=0) as other,
        Sentinel(engine) as sentinel,
    ):
        wait_until_in_loop(lambda: sentinel.replicas() == {other.port}, "the sentinel knows the replica")
        with Node(sentinel.url, "alice") as alice:
            alice.says(3)
            alice.shows("alice 3")
            assert sentinel.asks("FAILOVER", "gchat") == b"OK"
            wait_until_in_loop(lambda: reads_from(alice) == other.port, "the other is found")
            alice.says()
            alice.shows("alice 4")
            assert alice.shown == [(seq, f"alice {seq}") for seq in range(1, 5)]


@contextmanager
def in_tls(engine: TcpEngine, cert: str, key: str) -> Iterator[int]:
    """Have the engine on a port in TLS."""
    context = gevent_ssl.SSLContext(gevent_ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def serve(sock: socket.socket, _address: object) -> None:
        with socket.create_connection(engine.place) as theirs:
            gevent.spawn(copy, theirs, sock)
            copy(sock, theirs)

    server = StreamServer((HOST, 0), serve, ssl_context=context)
    server.start()
    try:
        yield int(server.server_port or 0)
    finally:
        server.stop()


def copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_an_engine_in_tls_is_used_if_its_certificate_is_trusted(
    engine: TcpEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = certificate(tmp_path, "127.0.0.1")
    with in_tls(engine, made.cert, made.key) as port:
        url = f"valkeys://{HOST}:{port}"
        assert why_not(url).startswith(f"{HOST}:{port} cannot be trusted: ")
        monkeypatch.setenv("SSL_CERT_FILE", made.cert)
        with Node(url, "alice") as alice:
            alice.says(3)
            alice.shows("alice 3")
            large = bytes(range(256)) * 2000
            assert alice.link.do("SET", "key", large) == b"OK"
            assert alice.link.do("GET", "key") == large
        assert why_not(f"valkeys://localhost:{port}").startswith(f"localhost:{port} cannot be trusted: ")
        assert f"{HOST}:{port}" in why_not(f"valkey://{HOST}:{port}")
    assert why_not(f"valkeys://{HOST}:{engine.port}") == f"{HOST}:{engine.port} does not answer in TLS"


def test_no_address_is_shown_with_its_password() -> None:
    for url in (
        f"valkey://chat:{SECRET}@db:6379",
        f"valkeys+sentinel://:{SECRET}@s1,s2/gchat/2",
        f"unix://:{SECRET}@/s",
    ):
        found = parsed(url)
        engine = UrlEngine(found)
        for shown in (str(found), repr(found), repr(engine), str(vars(engine))):
            assert SECRET not in shown
            assert "chat:" not in shown
