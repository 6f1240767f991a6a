"""The description has every status that can come: whatever is wrong with a request, and whatever cannot be done."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gchat.admin import backend
from gchat.admin.backend import Backend, NotPossible, TooOften
from gchat.admin.documents import NewHook
from tests.admin.endpoint import Endpoint
from tests.admin.fake_backend import READ_TOKEN, TOKEN

ROOT = Path(__file__).parents[2]

#: Bodies that the required fields of a schema do not make by themselves.
FITTING = {"scope": "read", "secret": "a long secret", "value": "alice", "kind": "nick"}

#: A part of a right request, and what stands there in a wrong one.
WRONG = (
    ("HTTP/1.1", "HTTP/2.0"),
    ("HTTP/1.1", "HTTP/1.1 "),
    ("HTTP/1.1", "x" * 9000),
    ("Host: ", "Host: a\r\nHost: "),
    ("Host: ", "Host: evil.example\r\nX: "),
    ("Host: ", "Origin: https://evil.example\r\nHost: "),
    ("Host: ", "Accept: application/nothing\r\nHost: "),
    ("Host: ", "Expect: nothing\r\nHost: "),
    ("Host: ", "X: y\r\n" * 101 + "Host: "),
    ("Content-Length: ", "Content-Length: 1\r\nContent-Length: "),
    ("Content-Length: ", "Content-Length: 9999999"),
    ("Content-Length: ", "Transfer-Encoding: gzip\r\nX: "),
    ("Content-Length: ", "Transfer-Encoding: chunked\r\nX: "),
    ("Content-Length: ", "Transfer-Encoding: chunked, chunked\r\nX: "),
    ("application/json", "image/png"),
    ("application/json", "text/plain"),
    ("Authorization", "X"),
    ("Bearer ", "Bearer no"),
    (TOKEN, READ_TOKEN),
    (" HTTP/1.1", "?after=x&limit=0&before=x&from=%00 HTTP/1.1"),
    ("/1", "/2"),
    ("/1", "/none%2Fof%2Fours"),
    ("lobby", "nowhere"),
    ("secret-2", "secret-9"),
)
BODIES = ("", "{", '{"a":1}', '{"text":" ","from":"x"}', "[" * 60_000)


class Operation(NamedTuple):
    """What can be asked at a path, and which statuses the description has of it."""

    method: str
    path: str
    statuses: set[int]
    body: dict[str, Any]
    id: str
    links: list[dict[str, Any]]

    def request(self, endpoint: Endpoint, body: str) -> str:
        """Return a request with this body."""
        fields = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}
        return endpoint.head(self.method, self.path, **fields, Content_Length=str(len(body))) + body


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        for name in ("ci", "cd"):
            endpoint.backend.make_hook(NewHook("lobby", name))
        yield endpoint


def operations(endpoint: Endpoint) -> list[Operation]:
    """Return all operations that end."""
    document = endpoint.ask_get("/openapi.json").value
    schemas = document["components"]["schemas"]

    def fitting(operation: dict[str, Any]) -> dict[str, Any]:
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return {name: FITTING.get(name, "x") for name in schema.get("required", [])}

    return [
        Operation(
            method.upper(),
            _concrete(path, method),
            set(map(int, operation["responses"])),
            fitting(operation),
            operation["operationId"],
            [link for response in operation["responses"].values() for link in response.get("links", {}).values()],
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and not path.endswith("/events")
    ]


def _concrete(path: str, method: str) -> str:
    named = path.replace("{room}", "lobby").replace("{hook}", "secret-2" if method == "post" else "{hook}")
    return re.sub(r"{\w+}", "1", named)


def test_whatever_is_wrong_with_a_request_the_answer_is_described(endpoint: Endpoint) -> None:
    found = set[int]()
    for operation in operations(endpoint):
        right = operation.request(endpoint, json.dumps(operation.body))
        wrong = [right.replace(part, other, 1) for part, other in WRONG if part in right]
        for request in [*wrong, *(operation.request(endpoint, body) for body in BODIES), right]:
            with endpoint.connect() as connection:
                connection.sends(request)
                status = connection.answer(operation.method).status
            assert status in operation.statuses, (operation, request[:400])
            found.add(status)
    assert found >= {200, 201, 204, 400, 401, 403, 404, 406, 409, 413, 414, 415, 417, 421, 422, 431, 501, 505}


def _refusals() -> Iterator[tuple[str, NotPossible]]:
    """Yield each method of the backend, with what it says that it raises."""
    named = re.compile(r"\b(?:BadText|Missing|NotPossible|Unavailable|TooOften)\b")
    for name, method in vars(Backend).items():
        if callable(method) and not name.startswith("_"):
            changes = "by" in signature(method).parameters or name in ("make_hook", "revoke_hook", "say", "say_by_hook")
            kinds = {*named.findall(method.__doc__ or ""), *(("NotPossible", "Unavailable") if changes else ())}
            for kind in sorted(kinds):
                yield name, TooOften("x", 1) if kind == "TooOften" else getattr(backend, kind)("x")


def test_whatever_the_server_cannot_do_the_answer_is_described(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = [operation for operation in operations(endpoint) if operation.method != "HEAD"]
    refused = set[str]()
    for name, error in _refusals():

        def fails(*_: object, error: NotPossible = error, name: str = name) -> None:
            refused.add(name)
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(endpoint.backend, name, fails)
            for operation in every:
                answer = endpoint.ask(operation.method, operation.path, operation.body, trusted=True)
                assert answer.status in operation.statuses, (operation, name, error)
    assert refused == {name for name, _ in _refusals()} - {"place"}  # which is for a stream


def test_every_status_in_the_code_is_described(endpoint: Endpoint) -> None:
    code = "".join(file.read_text() for file in (ROOT / "gchat").rglob("*.py"))
    statuses = set(map(int, re.findall(r"\bProblem\(\s*(\d{3})\b", code)))
    described = set[int]().union(*(operation.statuses for operation in operations(endpoint)))
    assert statuses >= {400, 408, 417, 429, 431, 501, 505}
    assert statuses <= described


def _linked(source: Operation, target: str) -> int:
    """Follow a link at an endpoint where there is one of everything; return the status that comes of it."""
    with Endpoint() as endpoint:
        known = {operation.id: operation for operation in operations(endpoint)}
        for id_ in ("post_bans", "post_users_user_mute", "post_tokens", "post_accounts", "post_hooks"):
            if id_ != source.id:
                assert endpoint.ask("POST", known[id_].path, known[id_].body, trusted=True).status == 201
        (parameters,) = [link["parameters"] for link in source.links if link["operationId"] == target]
        answer = endpoint.ask(source.method, source.path, source.body, trusted=True)
        path = known[target].path
        for expression in parameters.values():
            if expression.startswith("$response.body#"):
                value = answer.value
                for step in expression.removeprefix("$response.body#/").split("/"):
                    value = value[int(step) if step.isdecimal() else step]
                path = re.sub(r"(?<=/)(?:1|lobby|secret-2)(?=/|$)", str(value), path, count=1)
        return endpoint.ask(known[target].method, path, known[target].body, trusted=True).status


def test_what_an_answer_names_is_there_for_the_next_request(endpoint: Endpoint) -> None:
    assert len({operation.id for operation in operations(endpoint)}) == len(operations(endpoint))
    every = [operation for operation in operations(endpoint) if operation.method != "HEAD"]
    followed = {
        (source.id, link["operationId"]): _linked(source, link["operationId"])
        for source in every
        for link in source.links
        if not link["operationId"].endswith("_events")
    }
    assert followed["post_hooks", "post_hooks_hook"] == 200
    assert followed["post_hooks", "delete_hooks_hook"] == 204
    assert followed["post_users_user_mute", "delete_mutes_mute"] == 204
    assert followed["get_operators", "delete_operators_account"] == 409  # the configuration says so
    assert ("post_hooks_hook", "delete_hooks_hook") not in followed  # the one has a secret, the other an id
    assert len(followed) == 24
    assert {path for path, status in followed.items() if status >= 300} == {
        ("get_operators", "delete_operators_account")
    }
