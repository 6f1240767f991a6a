"""Hooks over HTTP: made, listed and revoked with a token; posted to with the secret alone (T70 to T74)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gchat.hooks.signature import signature
from tests.admin.endpoint import Answer, Endpoint
from tests.admin.fake_backend import READ_TOKEN


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def make(endpoint: Endpoint, **fields: str) -> str:
    """Make a hook, and return its path."""
    answer = endpoint.ask("POST", "/hooks", {"room": "ops", "name": "ci", **fields}, trusted=True)
    assert answer.status == 201, answer
    return f"/hooks/{answer.value['secret']}"


def post(endpoint: Endpoint, path: str, body: bytes = b"hello", **headers: Any) -> Answer:
    return endpoint.ask("POST", path, body, Content_Type="text/plain", **headers)


def said(endpoint: Endpoint) -> list[tuple[str, str]]:
    return [(message.from_, message.text) for message in endpoint.backend.log.get("ops", [])]


def test_the_secret_alone_is_needed_whatever_the_request_calls_us(endpoint: Endpoint) -> None:
    path = make(endpoint)
    ways: list[dict[str, Any]] = [
        {},
        {"Host": "chat.example.org"},
        {"Authorization": "Basic cGVwZTpwZXBl"},
        {"Host": "10.0.0.1:1"},
    ]
    for headers in ways:
        answer = post(endpoint, path, **headers)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        # https://github.com/gogs/gogs/issues/3169: Gogs took every other answer to a Slack webhook for a failure.
        assert answer.body == b"ok"
    assert said(endpoint) == [("ci (http)", "hello")] * 4


def test_no_log_has_the_secret(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "gchat")
    path = make(endpoint)
    assert post(endpoint, path).status == 200
    assert endpoint.ask("GET", path).status == 405
    monkeypatch.setattr(endpoint.backend, "say_by_hook", lambda *_: 1 / 0)
    assert post(endpoint, path).status == 500
    assert "POST /hooks/… HTTP/1.1: 200" in caplog.text
    assert "POST /hooks/… crashed" in caplog.text
    assert path.removeprefix("/hooks/") not in caplog.text


def test_foreign_pages_in_a_browser_may_not_post(endpoint: Endpoint) -> None:
    path = make(endpoint)
    assert post(endpoint, path, Origin="https://evil.example.org").status == 403
    assert post(endpoint, path, Sec_Fetch_Site="cross-site").status == 403
    assert post(endpoint, path, Origin=f"http://{endpoint.host}").status == 200
    assert len(said(endpoint)) == 1


def test_a_wrong_secret_is_counted_like_a_wrong_token_and_a_right_one_is_never_refused(endpoint: Endpoint) -> None:
    path = make(endpoint)
    for _ in range(5):
        answer = post(endpoint, "/hooks/wrong")
        assert (answer.status, answer.detail) == (404, "There is no hook with this secret")
    assert post(endpoint, "/hooks/wrong").status == 429
    assert endpoint.ask("GET", "/status", token="wrong").status == 429
    assert post(endpoint, path).status == 200


# https://github.com/Devlaner/devlane/pull/353 read every body whole before it looked whether the sender may send one.
def test_the_body_of_a_stranger_is_not_read(endpoint: Endpoint) -> None:
    with endpoint.connect() as connection:
        connection.sends(endpoint.head("POST", "/hooks/wrong", Content_Length="1000000"))
        assert connection.answer().status == 404


# Backstage refused 457,522 bytes of a push (https://github.com/backstage/backstage/issues/28910), smee.io 156,484
# (https://github.com/probot/smee.io/issues/98).
def test_large_bodies_are_taken_by_hooks_alone(endpoint: Endpoint) -> None:
    path = make(endpoint)
    assert post(endpoint, path, b"x" * 457_522).status == 200
    answer = post(endpoint, path, b"x" * ((1 << 20) + 1))
    assert (answer.status, answer.detail) == (413, "The body is too large; at most 1,048,576 bytes are accepted")
    assert endpoint.ask("POST", "/announce", {"text": "x" * 70_000}, trusted=True).status == 413


def test_a_large_body_that_cannot_be_understood_is_told_too(endpoint: Endpoint) -> None:
    path = make(endpoint)
    answer = endpoint.ask("POST", path, b"{" + b" " * 100_000)
    assert (answer.status, answer.detail[:23]) == (400, "The body is not JSON: I")


def test_a_hook_with_a_signing_secret_takes_signed_bodies_alone(endpoint: Endpoint) -> None:
    path = make(endpoint, signing_secret="It's a Secret")
    body = b'{"zen":"Keep it logically awesome."}'
    signed = {"X_GitHub_Event": "ping", "X_Hub_Signature_256": signature("It's a Secret", body)}
    assert post(endpoint, path, body, **signed).status == 200
    wrongs: list[dict[str, Any]] = [
        {},
        {**signed, "X_Hub_Signature_256": signature("other", body)},
        {"X_Hub_Signature_256": "sha256="},
    ]
    for wrong in wrongs:
        answer = post(endpoint, path, body, **wrong)
        assert answer.status == 403
        # https://github.com/adnanh/webhook/issues/85 answered with the signature that it had expected.
        assert "sha256=" not in answer.detail
    assert said(endpoint) == [("ci (http)", "the webhook works: Keep it logically awesome.")]


# https://github.com/frain-dev/convoy/pull/2392, https://github.com/nodejs/node/issues/11844: what is signed is the
# body as it was sent, which is a form if GitHub was told so.
def test_a_signed_form_is_checked_as_it_was_sent(endpoint: Endpoint) -> None:
    path = make(endpoint, signing_secret="s")
    body = b"payload=%7B%22zen%22%3A+%22Half+measures.%22%7D"
    headers: Any = {"X_GitHub_Event": "ping", "X_Hub_Signature_256": signature("s", body)}
    answer = endpoint.ask("POST", path, body, **headers, Content_Type="application/x-www-form-urlencoded")
    assert answer.status == 200
    assert said(endpoint) == [("ci (http)", "the webhook works: Half measures.")]


def test_what_is_nothing_to_say_is_answered_all_the_same(endpoint: Endpoint) -> None:
    answer = post(endpoint, make(endpoint), b'{"action":"created"}', X_GitHub_Event="star")
    assert (answer.status, answer.body) == (204, b"")
    assert said(endpoint) == []


def test_what_cannot_be_understood_is_told(endpoint: Endpoint) -> None:
    path = make(endpoint)
    # https://github.com/slackapi/slack-github-action/issues/117: "missing_text_or_fallback_or_attachments" told nobody.
    answer = endpoint.ask("POST", path, {})
    assert (answer.status, answer.detail[:36]) == (400, "There is nothing to say in the body;")
    assert endpoint.ask("POST", path, b"{").status == 400
    assert post(endpoint, path, b" ").status == 422


def test_too_much_is_told_with_a_time(endpoint: Endpoint) -> None:
    path = make(endpoint)
    endpoint.backend.hook_waits_s = 7
    answer = post(endpoint, path)
    assert (answer.status, answer.headers["retry-after"]) == (429, "7")


def test_hooks_are_made_listed_and_revoked_with_a_token(endpoint: Endpoint) -> None:
    path = make(endpoint)
    assert endpoint.ask("POST", "/hooks", {"room": "ops", "name": "x"}).status == 401
    assert endpoint.ask("POST", "/hooks", {"room": "ops", "name": "x"}, token=READ_TOKEN).status == 403
    assert endpoint.ask("GET", "/hooks").status == 401
    listed = endpoint.ask("GET", "/hooks", token=READ_TOKEN)
    assert [(hook["id"], hook["room"], hook["name"]) for hook in listed.value["hooks"]] == [(1, "ops", "ci (http)")]
    assert path.removeprefix("/hooks/") not in listed.body.decode()
    assert endpoint.ask("POST", "/hooks", {"room": "ops", "name": "ci"}, trusted=True).status == 409
    assert endpoint.ask("DELETE", "/hooks/1").status == 401
    assert endpoint.ask("DELETE", path, trusted=True).status == 404
    assert endpoint.ask("DELETE", "/hooks/1", trusted=True).status == 204
    assert endpoint.ask("DELETE", "/hooks/1", trusted=True).status == 404
    assert post(endpoint, path).status == 404


@pytest.mark.parametrize("path", ["/hooks", "/hooks/a/b", "/Hooks/x", "//hooks/x"])
def test_nothing_else_is_let_through_with_the_secret(endpoint: Endpoint, path: str) -> None:
    assert post(endpoint, path, Host="chat.example.org").status in (404, 421)
