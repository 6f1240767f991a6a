"""Bodies: of a known length and in chunks. Malformed ones are files in wire/, see test_request_head."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import count

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.admin import request_body
from gchat.admin.http_server import CONTINUE
from gchat.admin.request_body import chunks
from gchat.admin.request_head import MAX_BODY_BYTES, MAX_HOOK_BODY_BYTES
from gchat.admin.responses import Problem
from tests.admin.endpoint import Endpoint

JSON = "application/json"
HELLO = b'{"text":"hello"}'
END = b"0\r\n\r\n"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def in_chunks(content: bytes, size: int = 1 << 20, end: bytes = END) -> bytes:
    """Return a body in chunks of this size."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def announce(endpoint: Endpoint, **headers: str) -> bytes:
    """Return the head of an announcement whose body comes in chunks."""
    headers = {"Authorization": f"Bearer {endpoint.token}", "Content_Type": JSON, **headers}
    return endpoint.head("POST", "/announce", Transfer_Encoding="chunked", **headers).encode()


def decoded(body: bytes, most_bytes: int = 100) -> tuple[bytes, bytes]:
    """Return the content of a body in chunks, and what comes behind it."""
    file = io.BufferedReader(io.BytesIO(body))
    return b"".join(chunks(file, most_bytes, int)), file.read()


# --- Chunks ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=1, max_size=30)), st.binary())
def test_the_content_of_chunks_is_joined_and_what_comes_behind_them_is_not_touched(
    pieces: list[bytes], behind: bytes
) -> None:
    body = b"".join(in_chunks(piece, end=b"") for piece in pieces) + END
    assert decoded(body + behind, 10_000) == (b"".join(pieces), behind)


@given(st.binary(max_size=60))
def test_a_body_that_is_cut_anywhere_is_no_body(content: bytes) -> None:
    body = in_chunks(content, 7, b"0;a\r\nX: y\r\n\r\n")
    for end in range(len(body)):
        with pytest.raises(Problem) as problem:
            decoded(body[:end])
        assert problem.value.detail == "The connection ended before the body did"


def test_the_content_may_be_as_large_as_a_whole_body_and_no_larger() -> None:
    assert decoded(in_chunks(b"x" * 100, 30), 100) == (b"x" * 100, b"")
    for size in (30, 101):
        with pytest.raises(Problem, match="The body is too large; at most 100 bytes are accepted") as problem:
            decoded(in_chunks(b"x" * 101, size), 100)
        assert problem.value.status == 413


def test_what_stands_around_the_content_may_be_as_large_and_no_larger() -> None:
    assert decoded(in_chunks(b"x" * 20, 1), 100) == (b"x" * 20, b"")
    for body in (in_chunks(b"x" * 21, 1), b"1;" + b"a" * 96 + b"\r\nx\r\n" + END):
        with pytest.raises(Problem, match="at most 100 bytes may stand around their content") as problem:
            decoded(body, 100)
        assert problem.value.status == 413


# --- Over the wire ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_body_in_chunks_is_heard_and_the_next_request_may_follow_at_once(endpoint: Endpoint, size: int) -> None:
    with endpoint.connect() as connection:
        request = announce(endpoint) + in_chunks(HELLO, size, b"0\r\nX-Checksum: 1\r\n\r\n")
        connection.sends(request * 3 + endpoint.head("GET", "/healthz").encode())
        assert [connection.answer().value for _ in range(3)] == [{"told": 3}] * 3
        assert connection.answer().value == {"status": "ok"}
    assert endpoint.backend.announced == [("hello", "")] * 3


def test_a_body_in_chunks_may_come_byte_for_byte(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        for byte in announce(endpoint) + in_chunks(HELLO, 3):
            connection.sends(bytes([byte]))
            gevent.sleep(0)
        assert connection.answer().status == 200


# https://github.com/gevent/gevent/issues/229: a program names the coding, and sends a body without chunks.
def test_a_body_that_is_called_chunked_and_is_not_is_told_what_was_expected(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(announce(endpoint) + HELLO)
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.detail.startswith("Malformed chunk; expected its size in up to 16 hexadecimal digits")


def test_a_program_posts_to_a_hook_in_chunks(endpoint: Endpoint) -> None:
    secret = endpoint.ask("POST", "/hooks", {"name": "ci", "room": "lobby"}, trusted=True).value["secret"]
    form = "application/x-www-form-urlencoded"
    bodies = (("text/plain", b"deploy done"), (form, b"payload=%7B%22text%22%3A%22deploy+done%22%7D"), ("", b"x"))
    for kind, body in bodies:
        headers = {"Content_Type": kind} if kind else {}
        with endpoint.connect() as connection:
            head = endpoint.head("POST", f"/hooks/{secret}", Transfer_Encoding="chunked", **headers)
            connection.sends(head.encode() + in_chunks(body, 4))
            assert connection.answer().body == b"ok"
    assert [message.text for message in endpoint.backend.log["lobby"]] == ["deploy done", "deploy done", "x"]


def test_an_empty_body_in_chunks_is_no_body(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        head = endpoint.head(
            "POST",
            "/users/1/kick",
            Authorization=f"Bearer {endpoint.token}",
            Content_Type=JSON,
            Transfer_Encoding="chunked",
        )
        connection.sends(head.encode() + END)
        assert connection.answer().status == 204


def test_a_body_that_grows_too_large_is_refused_while_it_comes(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(announce(endpoint) + in_chunks(b" " * MAX_BODY_BYTES, 4096, b"1\r\n"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (413, "close")
        assert answer.detail == "The body is too large; at most 65,536 bytes are accepted"


def test_a_body_in_chunks_that_comes_slowly_is_ended_with_408(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gchat.admin.routes.BODY_S", 0.3)
    for beginning in (b"", b"5", b"0" * 100, b"5\r\nab", b"1\r\na\r\n0\r\n", b"1\r\na\r\n0\r\nX: y\r\n"):
        with endpoint.connect() as connection:
            connection.sends(announce(endpoint) + beginning)
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (408, "close")


def test_who_may_not_send_a_body_is_told_before_its_end(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(announce(endpoint, Authorization="Bearer wrong") + b"5\r\n")
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (401, "close")


# https://github.com/gevent/gevent/issues/93: each read of a body was answered by 100 Continue again.
def test_a_peer_that_waits_for_100_continue_gets_it_once(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(announce(endpoint, Expect="100-continue"))
        assert connection.sees(b"\r\n\r\n") == CONTINUE
        for chunk in in_chunks(HELLO, 4).split(b"\r\n")[:-1]:
            connection.sends(chunk + b"\r\n")
            gevent.sleep(0)
        assert connection.answer().value == {"told": 3}
    with endpoint.connect() as connection:
        connection.sends(announce(endpoint, Expect="100-continue", Authorization="Bearer wrong"))
        assert connection.answer().status == 401


def test_others_have_turns_within_many_small_chunks(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "AROUND_A_TURN", 50)
    turns, take_turn = count(), endpoint.server.take_turn

    def counted() -> None:
        next(turns)
        take_turn()

    monkeypatch.setattr(endpoint.server, "take_turn", counted)
    with endpoint.connect() as connection:
        connection.sends(announce(endpoint) + in_chunks(HELLO + b" " * 1000, 1))
        assert connection.answer().status == 200
    assert next(turns) >= 100


def test_others_have_turns_within_few_chunks_with_long_extensions() -> None:
    body = (b"1" + b";a=b" * 1000 + b"\r\nx\r\n") * 20 + END
    turns: list[int] = []
    content = b"".join(chunks(io.BufferedReader(io.BytesIO(body)), MAX_HOOK_BODY_BYTES, lambda: turns.append(1)))
    assert content == b"x" * 20
    assert len(turns) == 20


def test_a_large_body_of_small_chunks_is_read_at_a_hook(endpoint: Endpoint) -> None:
    secret = endpoint.ask("POST", "/hooks", {"name": "ci", "room": "lobby"}, trusted=True).value["secret"]
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("POST", f"/hooks/{secret}", Transfer_Encoding="chunked"))
        connection.sends(in_chunks(b"x" * (MAX_HOOK_BODY_BYTES // 8), 7))
        assert connection.answer().status == 200
