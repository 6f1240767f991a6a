"""Heads of requests, some with bodies in chunks, as files in wire/ whose names begin with the status that must come."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.admin.request_head import MAX_BODY_BYTES, RequestHead, parse
from gchat.admin.responses import Problem
from tests.admin.endpoint import Endpoint

SAMPLES = sorted((Path(__file__).parent / "wire").glob("*.http"))


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_answered_once_with_its_status_and_the_connection_closed(sample: Path) -> None:
    status = int(sample.name[:3])
    with Endpoint() as endpoint, endpoint.connect() as connection:
        data = sample.read_bytes()
        data = data.replace(b"HOST", endpoint.host.encode()).replace(b"TOKEN", endpoint.token.encode())
        connection.sends(data)
        answer = connection.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        if status >= 400:
            assert len(answer.detail) > 10
        assert connection.sees_end() == b"", "what came behind was taken for another request"
        assert endpoint.ask("GET", "/healthz").status == 200


def test_a_head_is_the_same_value_whatever_the_case_of_names_and_the_space_around_values() -> None:
    head = parse(
        [b"POST /a%20b?x=1&y HTTP/1.1\r\n", b"HOST:localhost\r\n", b"x:\t 1 2 \t\r\n", b"Content-Length: 7\r\n"]
    )
    assert head == RequestHead(
        method="POST",
        path="/a%20b",
        query="x=1&y",
        version="HTTP/1.1",
        fields={"host": "localhost", "x": "1 2", "content-length": "7"},
        body_bytes=7,
        most_body_bytes=MAX_BODY_BYTES,
        closes=False,
        expects_continue=False,
    )


def test_lists_may_come_in_more_than_one_header() -> None:
    head = parse([b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"Accept: a/b\r\n", b"Accept: c/d\r\n"])
    assert head.fields["accept"] == "a/b, c/d"


def test_the_largest_body_is_taken_and_one_byte_more_is_not() -> None:
    def length(number: int) -> RequestHead:
        return parse([b"POST / HTTP/1.1\r\n", b"Host: x\r\n", b"Content-Length: %d\r\n" % number])

    assert length(MAX_BODY_BYTES).body_bytes == MAX_BODY_BYTES
    with pytest.raises(Problem, match="too large"):
        length(MAX_BODY_BYTES + 1)


def test_the_log_gets_the_request_line_without_the_query() -> None:
    assert parse([b"GET /a?secret HTTP/1.0\r\n"]).line == "GET /a HTTP/1.0"


def test_blanks_before_a_wrong_character_are_not_looked_at_again_and_again() -> None:
    def takes(value: bytes) -> float:
        lines = [b"GET / HTTP/1.1\r\n", b"x:" + value + b"\0\r\n"]
        found = []
        for _ in range(5):
            began = time.thread_time()
            with pytest.raises(Problem, match="Malformed header"):
                parse(lines)
            found.append(time.thread_time() - began)
        return min(found)

    assert takes(b" " * 8000) < 50 * takes(b"x" * 8000)


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=10))
def test_whatever_the_lines_are_the_outcome_is_a_head_or_a_problem(lines: list[bytes]) -> None:
    try:
        outcome: RequestHead | Problem = parse(lines)
    except Problem as problem:
        outcome = problem
    assert outcome.path.startswith("/") if isinstance(outcome, RequestHead) else 400 <= outcome.status < 600


def test_no_repr_of_a_head_shows_its_token() -> None:
    head = parse([b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"Authorization: Bearer s3cret\r\n"])
    assert head.fields["authorization"] == "Bearer s3cret"
    assert "s3cret" not in repr(head)
