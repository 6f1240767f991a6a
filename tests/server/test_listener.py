"""Where a server listens: places, what stands in the way of them, and what an accepted peer is called."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest

from gchat.server.listener import (
    Listener,
    Peer,
    Place,
    StartError,
    UnixListener,
    bind,
    bound_place,
    hold,
    remove_files,
    set_options,
)


def complaint(function: Callable[[], Any]) -> str:
    with pytest.raises(StartError) as refused:
        function()
    assert "\n" not in str(refused.value)
    return str(refused.value)


# --- Places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (("127.0.0.1", 9000), ("127.0.0.1", 9000), True),
        (("127.0.0.1", 9000), ("127.0.0.1", 9001), False),
        (("127.0.0.1", 9000), ("127.0.0.2", 9000), False),
        (("127.0.0.1", 9000), ("0.0.0.0", 9000), True),
        (("127.0.0.1", 9000), ("::", 9000), True),
        (("127.0.0.1", 9000), ("::ffff:127.0.0.1", 9000), True),
        (("::1", 9000), ("::", 9000), True),
        (("::1", 9000), ("[::1]", 9000), True),
        (("::1", 9000), ("0.0.0.0", 9000), False),
        (("127.0.0.1", 0), ("127.0.0.1", 0), False),
        (("/run/a", 0), ("/run/./b/../a", 0), True),
        (("/run/a", 0), ("/run/b", 0), False),
        (("/run/a", 9000), ("127.0.0.1", 9000), False),
    ],
)
def test_two_places_overlap_where_the_kernel_would_refuse_the_second(
    one: tuple[str, int], other: tuple[str, int], *, overlap: bool
) -> None:
    assert Place(*one).overlaps(Place(*other)) is overlap
    assert Place(*other).overlaps(Place(*one)) is overlap


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Place("127.0.0.1", 80), "127.0.0.1:80"),
        (Place("::1", 80), "[::1]:80"),
        (Place("[::1]", 80), "[::1]:80"),
        (Place("/run/a", 80), "/run/a"),
    ],
)
def test_a_place_is_written_as_people_do(place: Place, text: str) -> None:
    assert str(place) == text


def test_a_place_is_checked_without_leaving_anything_behind(tmp_path: Path) -> None:
    Place(str(tmp_path / "sock"), 0).check()
    Place("127.0.0.1", 0).check()
    assert list(tmp_path.iterdir()) == []
    with closing(bind(Place("127.0.0.1", 0), 1)) as taken:
        bound_place(taken).check()  # that a port is in use is for bind to find


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("192.0.2.1", "this is not an address of this machine"),
        ("no such host", '"no such host" is not an address or a known host name'),
        ("a" * 70, "is not an address or a known host name"),
        ("/nowhere/sock", "the directory /nowhere does not exist"),
        ("/dev/null/sock", "/dev/null is not a directory"),
        ("/dev/null", "the file exists, and it is not a socket"),
        ("/tmp/" + "x" * 200, "the path is too long; expected at most 107 bytes"),
    ],
)
def test_what_stands_in_the_way_is_said_by_the_check_and_by_bind_in_the_same_words(host: str, why: str) -> None:
    place = Place(host, 0)
    said = complaint(place.check)
    assert said.startswith(f"cannot listen on {place}: ")
    assert why in said
    assert complaint(lambda: bind(place, 1)) == said


def test_a_port_that_is_in_use_is_said_to_be() -> None:
    with closing(bind(Place("127.0.0.1", 0), 1)) as taken:
        place = bound_place(taken)
        assert place.host == "127.0.0.1"
        assert complaint(lambda: bind(place, 1)) == (
            f"cannot listen on {place}: the port is in use; stop the program that uses it, or choose another port"
        )


def test_what_accepted_sockets_inherit_is_set() -> None:
    with closing(bind(Place("127.0.0.1", 0), 1)) as listener:
        set_options(listener, 32768)
        options = {
            name: listener.getsockopt(level, getattr(socket, name))
            for level, name in (
                (socket.SOL_SOCKET, "SO_SNDBUF"),
                (socket.SOL_SOCKET, "SO_REUSEADDR"),
                (socket.SOL_SOCKET, "SO_KEEPALIVE"),
                (socket.IPPROTO_TCP, "TCP_NODELAY"),
                (socket.IPPROTO_TCP, "TCP_KEEPIDLE"),
                (socket.IPPROTO_TCP, "TCP_KEEPINTVL"),
                (socket.IPPROTO_TCP, "TCP_KEEPCNT"),
            )
        }
    assert options.pop("SO_SNDBUF") == 2 * 32768  # the kernel counts its own bookkeeping
    assert list(options.values()) == [1, 1, 1, 60, 10, 3]


# --- Unix sockets ----------------------------------------------------------------------------------------------------


def test_the_file_of_a_socket_is_removed_with_it_and_has_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with closing(bind(Place(str(path), 0, mode="0640"), 1)) as listener:
        assert path.stat().st_mode & 0o777 == 0o640
        assert bound_place(listener) == Place(str(path), 0)
    assert not path.exists()
    assert not UnixListener.open


def test_a_socket_that_nobody_listens_on_is_replaced_and_one_in_use_is_not(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    with closing(socket.socket(socket.AF_UNIX)) as killed:
        killed.bind(str(path))
    with closing(bind(Place(str(path), 0), 1)):
        assert "another server listens there" in complaint(lambda: bind(Place(str(path), 0), 1))
        assert path.exists()
    assert not path.exists()


def test_a_file_that_is_another_servers_by_now_stays(tmp_path: Path) -> None:
    path = tmp_path / "sock"
    first = bind(Place(str(path), 0), 1)
    os.unlink(path)
    with closing(bind(Place(str(path), 0), 1)) as second:
        first.close()
        assert path.exists()
        assert UnixListener.open == {second}
        remove_files()
        assert not path.exists()
        path.touch()
    assert path.exists()  # it was removed once, and what is there now is somebody else's


@pytest.mark.parametrize("group", ["no-such-group", "²"])
def test_a_group_that_there_is_not_leaves_no_file_behind(tmp_path: Path, group: str) -> None:
    place = Place(str(tmp_path / "sock"), 0, group=group)
    assert f"this machine has no group {group}" in complaint(place.check)
    assert f"this machine has no group {group}" in complaint(lambda: bind(place, 1))
    assert list(tmp_path.iterdir()) == []


# --- Accepting -------------------------------------------------------------------------------------------------------


@contextmanager
def accepting(place: Place, line: bytes | None = None) -> Iterator[tuple[Place, list[Peer], list[Peer]]]:
    """Accept at a place; yield where, the peers that were asked for, and those that were handed over."""
    asked: list[Peer] = []
    served: list[Peer] = []
    with ExitStack() as end:

        def serve(sock: socket.socket, peer: Peer) -> None:
            end.callback(sock.close)
            assert not sock.getblocking()
            served.append(peer)

        def admit(peer: Peer) -> bytes | None:
            asked.append(peer)
            return line

        listener = bind(place, 8)
        server = Listener(listener, serve, admit)
        server.start()
        end.callback(server.close)
        yield bound_place(listener), asked, served


def until(holds: Callable[[], object]) -> None:
    with gevent.Timeout(20):
        while not holds():
            gevent.sleep(0.001)


def test_peers_are_numbered_in_the_order_in_which_they_come_and_named_by_their_address() -> None:
    with accepting(Place("127.0.0.1", 0)) as (place, _, served), ExitStack() as end:
        names = []
        for number in (1, 2):
            sock = end.enter_context(socket.create_connection((place.host, place.port)))
            names.append(f"127.0.0.1:{sock.getsockname()[1]}")
            until(lambda number=number: len(served) == number)  # type: ignore[misc]
        first, second = served
        assert served == [
            Peer(name, "127.0.0.1", peer.attempt, is_private=True) for name, peer in zip(names, served, strict=True)
        ]
        assert first.attempt < second.attempt


def test_on_a_socket_of_both_families_an_ipv4_peer_is_called_by_its_ipv4_address() -> None:
    with accepting(Place("::", 0)) as (place, _, served):
        for family, host, network in (
            (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
            (socket.AF_INET6, "::1", "::/64"),
        ):
            with socket.socket(family) as sock:
                sock.connect((host, place.port))
                until(lambda: served)
                port = sock.getsockname()[1]
                expected = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                assert (served[-1].address, served.pop().network) == (expected, network)


def test_peers_of_a_unix_socket_are_of_no_network(tmp_path: Path) -> None:
    with accepting(Place(str(tmp_path / "sock"), 0)) as (place, _, served), ExitStack() as end:
        for number in (1, 2):
            sock = end.enter_context(closing(socket.socket(socket.AF_UNIX)))
            sock.connect(place.host)
            until(lambda number=number: len(served) == number)  # type: ignore[misc]
        first, second = served
        assert served == [
            Peer("unix:1", "", first.attempt, is_private=True),
            Peer("unix:2", "", second.attempt, is_private=True),
        ]
        assert first.attempt < second.attempt


def test_a_peer_that_is_turned_away_reads_why_and_then_the_end() -> None:
    with accepting(Place("127.0.0.1", 0), b"> The server is full\n") as (place, asked, served):
        with socket.create_connection((place.host, place.port)) as sock:
            until(lambda: asked)
            sock.settimeout(20)
            assert sock.makefile("rb").read() == b"> The server is full\n"
        assert served == []


def test_several_processes_share_a_port_only_if_all_of_them_want_to() -> None:
    with hold(Place("127.0.0.1", 0)) as held:
        place = bound_place(held)
        with bind(place, 1, reuse_port=True), bind(place, 1, reuse_port=True):
            with pytest.raises(StartError, match="the port is in use"):
                bind(place, 1)
            with pytest.raises(StartError, match="the port is in use"):
                hold(place)


def test_a_port_that_is_held_takes_no_connection() -> None:
    with hold(Place("127.0.0.1", 0)) as held, socket.socket() as user, pytest.raises(ConnectionRefusedError):
        user.connect(held.getsockname())
