"""The routes: what is answered, what is refused, and in which words."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import pytest

from gchat.admin.backend import NotPossible
from gchat.admin.documents import RoomSummary
from gchat.chat.order_actions import Wish
from tests.admin.endpoint import Endpoint
from tests.admin.fake_backend import READ_TOKEN, TOKEN, FakeBackend


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
}

OPEN = ["/status", "/users", "/rooms", "/healthz", "/readyz", "/metrics", "/openapi.json"]

PRIVATE = ["/rooms/lobby/messages", "/bans", "/mutes", "/operators", "/audit"]

CHANGES: list[tuple[str, str, object]] = [
    ("POST", "/announce", {"text": "maintenance at noon"}),
    ("POST", "/users/1/kick", {"reason": "spam"}),
    ("POST", "/bans", {"kind": "nick", "value": "mallory", "reason": "spam"}),
    ("DELETE", "/bans/1", None),
    ("POST", "/accounts", {"name": "carol", "secret": "tea4two!"}),
    ("DELETE", "/accounts/alice", None),
    ("POST", "/users/1/ban", {"for_s": 60}),
    ("POST", "/users/1/mute", {"for_s": 60}),
    ("DELETE", "/users/1/mute", None),
    ("DELETE", "/mutes/1", None),
    ("PUT", "/operators/alice", None),
    ("DELETE", "/operators/alice", None),
    ("POST", "/tokens", {"name": "ci", "scope": "say:lobby"}),
    ("DELETE", "/tokens/ci", None),
    ("DELETE", "/rooms/lobby/modes", None),
    ("POST", "/rooms/lobby/messages", {"from": "ci", "text": "deploy done"}),
]


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_status_tells_everything_in_this_order(endpoint: Endpoint) -> None:
    status = endpoint.ask_get("/status").value
    members = ["server", "online", "all", "access", "nodes", "users", "rooms", "limits", "history", "counters"]
    assert list(status) == members
    assert status["online"] == 3
    assert list(status["users"][0])[:4] == ["id", "nick", "address", "room"]
    assert [room["name"] for room in status["rooms"]] == ["lobby"]


def test_status_is_pleasant_to_read_without_jq(endpoint: Endpoint) -> None:
    lines = endpoint.ask_get("/status").body.decode().splitlines()
    assert '  "online": 3,' in lines
    assert sum(line.startswith('    {"id":') for line in lines) == 3, "one user is one line"
    assert max(map(len, lines)) < 250
    assert lines[-1] == "}"


@pytest.mark.parametrize("users", [0, 1, 99, 100, 101, 300, 301])
def test_lists_of_every_length_are_whole(users: int) -> None:
    with Endpoint(FakeBackend(users)) as endpoint:
        for path in ("/status", "/users"):
            assert [user["id"] for user in endpoint.ask_get(path).value["users"]] == list(range(1, users + 1))
        assert endpoint.ask_get("/rooms").value["rooms"] == (
            [] if not users else endpoint.ask_get("/status").value["rooms"]
        )


def test_a_status_of_five_thousand_users_does_not_hold_the_hub() -> None:
    with Endpoint(FakeBackend(users=5000)) as endpoint:
        with noting_turns() as turns:
            assert endpoint.ask_get("/status").value["online"] == 5000
        assert len(turns) > 20, "others have their turn between two pieces"


@contextmanager
def noting_turns() -> Iterator[list[float]]:
    """Note each turn that another greenlet has meanwhile, by how long it waited for it."""
    turns: list[float] = []

    def watch() -> None:
        while True:
            began = time.perf_counter()
            gevent.sleep(0.0001)
            turns.append(time.perf_counter() - began)

    watcher = gevent.spawn(watch)
    try:
        yield turns
    finally:
        watcher.kill()


def test_history_is_told_in_pages(endpoint: Endpoint) -> None:
    for number in range(1, 31):
        endpoint.backend.says("alice", f"line {number}")
    page = endpoint.ask_get("/rooms/lobby/messages?after=10&limit=5", trusted=True).value
    assert page["room"] == "lobby"
    assert [message["seq"] for message in page["messages"]] == [11, 12, 13, 14, 15]
    assert page["messages"][0]["from"] == "alice"
    assert len(endpoint.ask_get("/rooms/lobby/messages", trusted=True).value["messages"]) == 30


def test_messages_are_cut_by_bytes_and_the_answer_says_where_to_go_on(endpoint: Endpoint) -> None:
    backend = endpoint.backend
    sent = [f"{number} " + "\x1b" * 8000 for number in range(300)]
    for text in sent:
        backend.says("alice", text)
    got: list[str] = []
    path, answers = "/rooms/lobby/messages?limit=1000", 0
    while path:
        with noting_turns() as turns:
            answer = endpoint.ask_get(path, trusted=True)
        assert len(answer.body) < 1_100_000
        assert len(turns) >= answer.value.get("truncated", False) * 10, "others have their turn between two pieces"
        page = answer.value
        got += [message["text"] for message in page["messages"]]
        answers += 1
        path = f"/rooms/lobby/messages?limit=1000&after={page['next']}" if page.get("truncated") else ""
    assert got == [text.replace("\x1b", "\\x1b") for text in sent]
    assert answers > 5
    assert "next" not in page


def test_a_message_that_is_longer_than_an_answer_comes_alone(endpoint: Endpoint) -> None:
    backend = endpoint.backend
    for text in ("x" * 2_000_000, "short"):
        backend.says("alice", text)
    page = endpoint.ask_get("/rooms/lobby/messages", trusted=True).value
    assert ([len(message["text"]) for message in page["messages"]], page["next"]) == ([2_000_000], 1)
    page = endpoint.ask_get("/rooms/lobby/messages?after=1", trusted=True).value
    assert [message["text"] for message in page["messages"]] == ["short"]


def test_a_page_that_is_full_says_where_the_next_one_begins(endpoint: Endpoint) -> None:
    backend = endpoint.backend
    for number in range(30):
        backend.says("alice", str(number))
    page = endpoint.ask_get("/rooms/lobby/messages?after=10&limit=5", trusted=True).value
    assert (page["next"], "truncated" in page) == (15, False)
    page = endpoint.ask_get("/rooms/lobby/messages?after=30", trusted=True).value
    assert page == {"room": "lobby", "messages": []}


@pytest.mark.parametrize(("path", "name"), [("/bans", "bans"), ("/rooms", "rooms"), ("/status", "rooms")])
def test_every_long_list_is_made_in_pieces_and_cut_by_bytes(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, path: str, name: str
) -> None:
    backend = endpoint.backend
    monkeypatch.setattr(backend, "rooms", lambda: (RoomSummary(f"r{n}", 1, 1, "\x1b" * 8000) for n in range(2000)))
    for _ in range(2000):
        backend.ban("nick", "mallory", Wish(0, "\x1b" * 8000), "admin")
    with noting_turns() as turns:
        answer = endpoint.ask_get(path, trusted=True)
    assert 8_000_000 < len(answer.body) < 8_600_000
    assert len(turns) > 20
    assert answer.value["truncated"] is True
    assert 200 < len(answer.value[name]) < 300
    assert answer.body.endswith(b"}\n")


def test_a_room_that_is_not_there_is_not_found(endpoint: Endpoint) -> None:
    answer = endpoint.ask("GET", "/rooms/nowhere/messages", trusted=True)
    assert (answer.status, answer.detail) == (404, "There is no room nowhere")


@pytest.mark.parametrize(
    "query", ["after=-1", "after=x", "limit=0", "limit=1001", "limt=5", "after=1&after=2", "after=1.5"]
)
def test_a_query_that_cannot_be_understood_is_refused(endpoint: Endpoint, query: str) -> None:
    answer = endpoint.ask("GET", f"/rooms/lobby/messages?{query}", trusted=True)
    assert answer.status == 400
    assert "query" in answer.detail


@pytest.mark.parametrize(
    ("asked", "body", "status", "why"),
    [
        ("/announce", b'{"text": ""}', 422, "body; text: expected a text of 1 to 4,000 characters"),
        ("/announce", b'{"text": "x", "rom": "y"}', 422, "body; rom: unknown field; expected one of text, room"),
        (
            "/bans",
            b'{"kind": "x", "value": "y"}',
            422,
            'body; kind: expected "account", "address", "network" or "nick"',
        ),
        ("/bans", b'{"kind": "nick"}', 422, "body; value is missing: expected a text of 1 to 100 characters"),
        ("/announce", b'{"text": ', 400, "body; not JSON: its end is missing"),
        ("/rooms/lobby/messages?limit=0", None, 400, "query; limit: expected a whole number from 1 to 1000"),
        ("/rooms/lobby/messages?limt=5", None, 400, "query; limt: unknown field; expected one of after, limit"),
    ],
)
def test_what_is_not_valid_is_refused_in_plain_words(
    endpoint: Endpoint, asked: str, body: bytes | None, status: int, why: str
) -> None:
    answer = endpoint.ask("POST" if body else "GET", asked, body, trusted=True)
    assert (answer.status, answer.detail) == (status, f"Invalid {why}")


def test_ready_is_what_the_backend_says(endpoint: Endpoint) -> None:
    assert endpoint.ask_get("/readyz").value == {"status": "ready"}
    endpoint.backend.reason_not_ready = "The disk is full"
    answer = endpoint.ask("GET", "/readyz")
    assert (answer.status, answer.detail) == (503, "The disk is full")
    assert endpoint.ask_get("/healthz").value == {"status": "ok"}


def test_a_load_balancer_elsewhere_learns_that_it_is_not_ready_and_not_why(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gchat.admin.access.is_loopback", lambda peer: peer != "127.0.0.1")
    endpoint.backend.reason_not_ready = "The disk of /srv is full"
    for token, detail in (("", "Not ready"), (READ_TOKEN, "The disk of /srv is full")):
        answer = endpoint.ask("GET", "/readyz", token=token)
        assert (answer.status, answer.detail) == (503, detail)


def test_nothing_that_users_say_can_do_anything_to_a_terminal(endpoint: Endpoint) -> None:
    endpoint.backend.joins(nick="\x1b]0;owned\x07")
    endpoint.backend.says("\x9b31mmallory", "\x1b[2J \u202e gpj.exe \x00 zoë 太郎 👋")
    for path in ("/status", "/rooms/lobby/messages"):
        answer = endpoint.ask_get(path, trusted=True)
        for text in (answer.body.decode(), json.dumps(answer.value, ensure_ascii=False)):
            assert not {char for char in text if (ord(char) < 32 and char != "\n") or 127 <= ord(char) < 160}
            assert "\u202e" not in text
    assert "zoë 太郎 👋" in answer.body.decode()


@pytest.mark.parametrize("path", OPEN)
def test_head_is_get_without_the_body(endpoint: Endpoint, path: str) -> None:
    get, head = endpoint.ask("GET", path), endpoint.ask("HEAD", path)
    assert head.status == get.status == 200
    assert head.body == b""
    varying = ("date", "transfer-encoding", "content-length")
    for name in get.headers:
        if name not in varying:
            assert head.headers[name] == get.headers[name]


def test_a_head_of_what_never_ends_does_end(endpoint: Endpoint) -> None:
    answer = endpoint.ask("HEAD", "/events")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
    assert endpoint.backend.tells == []


# --- What is private -------------------------------------------------------------------------------------------------


def test_without_a_token_a_secret_room_is_not_told(endpoint: Endpoint) -> None:
    endpoint.backend.joins("eve", "dev")
    endpoint.backend.secret.add("dev")
    for path in ("/status", "/rooms"):
        assert [room["name"] for room in endpoint.ask_get(path).value["rooms"]] == ["lobby"]
        told = endpoint.ask("GET", path, token=READ_TOKEN).value["rooms"]
        assert {room["name"]: room["modes"] for room in told} == {"lobby": "+n", "dev": "+n"}
    for path in ("/status", "/users"):
        assert endpoint.ask_get(path).value["users"][-1]["room"] == ""
        assert endpoint.ask("GET", path, token=READ_TOKEN).value["users"][-1]["room"] == "dev"


def test_modes_are_reset(endpoint: Endpoint) -> None:
    assert endpoint.ask("DELETE", "/rooms/dev/modes", token=TOKEN).status == 204
    assert endpoint.backend.resets == ["dev"]
    assert endpoint.ask("DELETE", "/rooms/nowhere/modes", token=TOKEN).status == 404


@pytest.mark.parametrize("path", ["/status", "/users"])
def test_without_a_token_the_address_of_a_user_with_a_nick_is_not_told(endpoint: Endpoint, path: str) -> None:
    endpoint.backend.joins("alice")
    nameless = endpoint.backend.joins("127.0.0.1:1029")
    shown = {user["id"]: user for user in endpoint.ask_get(path).value["users"]}
    for user in endpoint.backend.users_online.values():
        told = shown[user.id]
        assert told["address"] == (user.address if user.nick == user.address else "")
        assert (told["nick"], told["room"], told["dialect"]) == (user.nick, user.room, user.dialect)
    assert shown[nameless]["address"] == shown[nameless]["nick"]
    for token in (READ_TOKEN, TOKEN):
        users = endpoint.ask("GET", path, token=token).value["users"]
        assert [user["address"] for user in users] == [user.address for user in endpoint.backend.users_online.values()]


def test_from_another_machine_everything_needs_a_token_and_the_read_only_one_will_do(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gchat.admin.access.is_loopback", lambda peer: peer != "127.0.0.1")
    free = ("/", "/page.js", "/page.css", "/healthz", "/readyz")
    for path in {*OPEN, *PRIVATE, "/events", "/nothing"} - {*free}:
        assert "A request from another machine needs a token" in endpoint.ask("GET", path).detail
        for claim in ("127.0.0.1", "for=127.0.0.1", "localhost"):
            headers = {"X_Forwarded_For": claim, "X_Real_IP": claim, "Forwarded": claim}
            assert endpoint.ask("GET", path, **headers).status == 401  # type: ignore[arg-type]
    for path in free:
        assert endpoint.ask("GET", path).status == 200
    for token in (READ_TOKEN, TOKEN):
        for path in (*OPEN, *PRIVATE):
            assert endpoint.ask("GET", path, token=token).status == 200
    assert endpoint.ask("POST", "/announce", {"text": "x"}, token=READ_TOKEN).status == 403
    assert endpoint.ask("POST", "/announce", {"text": "x"}, token=TOKEN).status == 200


@pytest.mark.parametrize(
    "header", ["X_Forwarded_For", "X_Real_IP", "Forwarded", "X_Forwarded_User", "X_Forwarded_Host"]
)
def test_what_a_proxy_or_a_client_says_about_itself_opens_nothing(endpoint: Endpoint, header: str) -> None:
    for value in ("127.0.0.1", "for=127.0.0.1", "192.0.2.7", "admin", "localhost"):
        assert endpoint.ask("GET", "/bans", **{header: value}).status == 401  # type: ignore[arg-type]
        assert endpoint.ask("GET", "/status", **{header: value}).value["access"]["scope"] == "none"  # type: ignore[arg-type]


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_messages_and_bans_need_a_token_and_the_read_only_one_will_do(
    endpoint: Endpoint, method: str, path: str
) -> None:
    endpoint.backend.says("alice", "a secret")
    endpoint.backend.ban("address", "192.0.2.7", Wish(0, "a secret"), "admin")
    endpoint.backend.mute_user(1, Wish(0, "a secret"), "admin")
    endpoint.backend.make_operator("a secret", "admin")
    refused = endpoint.ask(method, path)
    assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert b"secret" not in refused.body
    if method == "GET":
        assert "needs a token; send the header Authorization: Bearer TOKEN" in refused.detail
    for token in (READ_TOKEN, TOKEN):
        answer = endpoint.ask(method, path, token=token)
        assert answer.status == 200
        assert (b"a secret" in answer.body) is (method == "GET")


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_the_read_only_token_changes_nothing_and_the_answer_says_so(
    endpoint: Endpoint, method: str, path: str, body: object
) -> None:
    answer = endpoint.ask(method, path, body, token=READ_TOKEN)
    assert answer.status == 403
    assert "needs a token with the scope" in answer.detail
    assert "the token read has read" in answer.detail
    backend = endpoint.backend
    assert [backend.announced, backend.kicked, backend.all_bans, backend.log["lobby"]] == [[], [], {}, []]


@pytest.mark.parametrize("path", ["/status", "/users"])
def test_an_answer_says_what_it_leaves_out(endpoint: Endpoint, path: str) -> None:
    for token, scope in (("", "none"), (READ_TOKEN, "read"), (TOKEN, "all")):
        access = endpoint.ask("GET", path, token=token).value["access"]
        assert access["scope"] == scope
        assert ("Authorization: Bearer TOKEN" in access["note"]) is (scope == "none")


def test_a_token_does_not_come_into_the_log(endpoint: Endpoint, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "gchat")
    for authorization in (f"Bearer {READ_TOKEN}", f"Bearer {TOKEN}", f"Basic {TOKEN}", f"Bearer {TOKEN}x"):
        endpoint.ask("GET", f"/status?token={TOKEN}", Authorization=authorization)
    assert "GET /status HTTP/1.1: 200" in caplog.text
    assert TOKEN not in caplog.text
    assert READ_TOKEN not in caplog.text


# --- The page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"), [("/", "text/html"), ("/page.js", "text/javascript"), ("/page.css", "text/css")]
)
def test_the_page_is_served_with_its_types(endpoint: Endpoint, path: str, kind: str) -> None:
    answer = endpoint.ask_get(path)
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
    assert answer.body


def test_other_files_of_the_package_are_not(endpoint: Endpoint) -> None:
    for path in ("/app.py", "/page.html", "/../server.py", "/static/page.js", "/page.js/"):
        assert endpoint.ask("GET", path).status == 404


# --- Refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/status", "GET, HEAD, OPTIONS"),
        ("DELETE", "/", "GET, HEAD, OPTIONS"),
        ("GET", "/announce", "POST, OPTIONS"),
        ("PUT", "/bans", "GET, HEAD, POST, OPTIONS"),
        ("PATCH", "/rooms/lobby/messages", "GET, HEAD, POST, OPTIONS"),
        ("GET", "/bans/1", "DELETE, OPTIONS"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_refused_and_the_others_named(
    endpoint: Endpoint, method: str, path: str, allowed: str
) -> None:
    answer = endpoint.ask(method, path, trusted=True)
    assert answer.status == 405
    assert "Allow" in answer.detail
    assert set(answer.headers["allow"].split(", ")) == set(allowed.split(", "))
    options = endpoint.ask("OPTIONS", path, trusted=True)
    assert options.status == 200
    assert set(options.headers["allow"].split(", ")) == set(allowed.split(", ")) - {"OPTIONS"}


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/status/",
        "/users/x/kick",
        "/users/-1/kick",
        "/users/1_0/kick",
        "/users/%D9%A1/kick",
        "/users/" + "9" * 5000 + "/kick",
        "/%73tatus/x",
    ],
)
def test_what_is_not_there_is_not_found_and_the_way_is_shown(endpoint: Endpoint, path: str) -> None:
    answer = endpoint.ask("GET", path)
    assert answer.status == 404
    assert "/openapi.json" in answer.detail


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/status", "text/html", 406),
        ("/status", "application/json;q=0", 406),
        ("/status", "nonsense", 406),
        ("/status", "text/html, */*;q=0.1", 200),
        ("/status", "application/*", 200),
        ("/", "text/html,application/xhtml+xml", 200),
        ("/", "application/json", 406),
        ("/metrics", "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 200),
        ("/metrics", "application/openmetrics-text", 200),
        ("/metrics", "application/json", 406),
        ("/events", "application/json", 406),
    ],
)
def test_who_wants_another_format_is_told_which_there_is(
    endpoint: Endpoint, path: str, accept: str, status: int
) -> None:
    assert endpoint.ask("GET", path, Accept=accept).status == status


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
def test_changing_needs_the_token_and_is_refused_before_the_body_is_read(
    endpoint: Endpoint, method: str, path: str, body: object
) -> None:
    answer = endpoint.ask(method, path, body)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    headers = {"Content_Type": "application/json", "Content_Length": "60000"}
    with endpoint.connect() as connection:
        connection.sends(endpoint.head(method, path, **headers))
        assert connection.answer().status == 401
    assert not endpoint.backend.announced
    assert not endpoint.backend.kicked


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/announce", b"", 422),
        ("/announce", b"{", 400),
        ("/announce", b"\xff", 400),
        ("/announce", b'{"text": "\xff"}', 400),
        ("/announce", b'{"text": "\\ud800"}', 400),
        ("/announce", b'{"text": "x"} {}', 400),
        ("/announce", b"[]", 422),
        ("/announce", b"null", 422),
        ("/announce", {}, 422),
        ("/announce", {"text": ""}, 422),
        ("/announce", {"text": " \t\u3000"}, 422),
        ("/rooms/lobby/messages", {"from": "ci", "text": " "}, 422),
        ("/rooms/lobby/messages", {"from": "ci", "text": "x" * 4001}, 422),
        ("/announce", {"text": 1}, 422),
        ("/announce", {"text": "x" * 4001}, 422),
        ("/announce", {"text": "x", "rom": "lobby"}, 422),
        ("/announce", {"text": "x", "room": "nowhere"}, 404),
        ("/users/99/kick", {}, 404),
        ("/users/1/kick", {"reason": None}, 422),
        ("/bans", {"kind": "mask", "value": "x"}, 422),
        ("/bans", {"kind": "address", "value": "x"}, 409),
        ("/bans", {"kind": "nick", "value": "x", "for_s": -1}, 422),
        ("/bans", b'{"kind": "nick", "value": "x", "for_s": 1e400}', 422),
        ("/rooms/nowhere/messages", {"from": "ci", "text": "x"}, 404),
        ("/rooms/lobby/messages", {"from_": "ci", "text": "x"}, 422),
        ("/announce", b'{"text": "x", "room": ' + b"[" * 60000, 422),
    ],
)
def test_a_body_that_will_not_do_is_refused(endpoint: Endpoint, path: str, body: object, status: int) -> None:
    answer = endpoint.ask("POST", path, body, trusted=True)
    assert answer.status == status, answer
    assert answer.detail


def test_a_body_must_be_said_to_be_json(endpoint: Endpoint) -> None:
    answer = endpoint.ask("POST", "/announce", {"text": "x"}, trusted=True, Content_Type="text/plain")
    assert answer.status == 415


def test_after_five_wrong_tokens_wrong_ones_wait_and_right_ones_do_not(endpoint: Endpoint) -> None:
    statuses = [endpoint.ask("GET", "/status", Authorization="Bearer x").status for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    assert endpoint.ask("GET", "/status").status == 200
    assert endpoint.ask("GET", "/status", trusted=True).status == 200
    assert endpoint.ask("GET", "/status", Authorization=f"Bearer {READ_TOKEN}").status == 200
    assert "wait" in endpoint.ask("GET", "/status", Authorization="Bearer x").detail


def test_no_answer_allows_another_origin(endpoint: Endpoint) -> None:
    for origin in (f"http://{endpoint.host}", "http://evil.example"):
        answer = endpoint.ask("OPTIONS", "/announce", Origin=origin, Access_Control_Request_Method="POST")
        assert not [name for name in answer.headers if name.startswith("access-control-")]
        assert "set-cookie" not in answer.headers


def test_every_answer_has_the_headers_that_keep_a_browser_quiet(endpoint: Endpoint) -> None:
    answers = [endpoint.ask("GET", path) for path in [*OPEN, *PRIVATE, "/", "/nothing"]]
    answers += [endpoint.ask(method, path, body) for method, path, body in CHANGES]
    answers += [endpoint.ask("GET", "/status", Host="evil.example"), endpoint.ask("G{T", "/")]
    for answer in answers:
        assert {name: answer.headers[name] for name in SECURITY} == SECURITY
    assert {answer.status for answer in answers} >= {200, 400, 401, 404, 421}


def test_a_crash_is_a_problem_without_a_word_of_what_happened_and_is_logged(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint.backend, "announce", lambda *_: 1 / 0)
    answer = endpoint.ask("POST", "/announce", {"text": "a secret"}, trusted=True)
    assert answer.status == 500
    assert "ZeroDivision" not in answer.detail
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text
    assert endpoint.token not in caplog.text
    endpoint.ask_get("/status")


@pytest.mark.parametrize(
    "case",
    [
        ("server", "GET", "/status", None),
        ("online", "GET", "/users", None),
        ("users", "GET", "/users", None),
        ("rooms", "GET", "/rooms", None),
        ("history", "GET", "/status", None),
        ("messages", "GET", "/rooms/lobby/messages", None),
        ("not_ready", "GET", "/readyz", None),
        ("measures", "GET", "/metrics", None),
        ("subscribe", "GET", "/events", None),
        ("kick", "POST", "/users/1/kick", {}),
        ("say", "POST", "/rooms/lobby/messages", {"from": "ci", "text": "x"}),
        ("bans", "GET", "/bans", None),
        ("ban", "POST", "/bans", {"kind": "nick", "value": "x"}),
        ("unban", "DELETE", "/bans/1", None),
        ("accounts", "GET", "/accounts", None),
        ("add_account", "POST", "/accounts", {"name": "x", "secret": "tea4two!"}),
        ("remove_account", "DELETE", "/accounts/x", None),
    ],
)
def test_whatever_crashes_the_next_request_is_answered(
    endpoint: Endpoint,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, str, str, object],
) -> None:
    broken, method, path, body = case

    def crash(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(endpoint.backend, broken, crash)
        with endpoint.connect() as connection:
            data = b"" if body is None else json.dumps(body).encode()
            fields = {"Authorization": f"Bearer {endpoint.token}", "Connection": "close"}
            if data:
                fields |= {"Content_Type": "application/json", "Content_Length": str(len(data))}
            connection.sends(endpoint.head(method, path, **fields).encode() + data)
            connection.sees_end()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.text.endswith("MemoryError\n")
    again = path if method == "GET" and path != "/events" else "/status"
    assert endpoint.ask("GET", again, trusted=True).status == 200
    assert endpoint.backend.tells == []


# --- Changing --------------------------------------------------------------------------------------------------------


def test_announcing_tells_how_many_were_told(endpoint: Endpoint) -> None:
    assert endpoint.ask("POST", "/announce", {"text": "noon"}, trusted=True).value == {"told": 3}
    endpoint.ask("POST", "/announce", {"text": "dev only", "room": "dev"}, trusted=True)
    assert endpoint.backend.announced == [("noon", ""), ("dev only", "dev")]


def test_kicking_closes_a_user_with_a_reason_and_without_one(endpoint: Endpoint) -> None:
    assert endpoint.ask("POST", "/users/1/kick", {"reason": "spam"}, trusted=True).status == 204
    assert endpoint.ask("POST", "/users/2/kick", trusted=True).status == 204
    assert endpoint.backend.kicked == [(1, "spam"), (2, "")]
    assert endpoint.ask("POST", "/users/1/kick", {}, trusted=True).status == 404


def test_a_ban_is_made_listed_and_ended(endpoint: Endpoint) -> None:
    wanted = {"kind": "network", "value": "192.0.2.0/24", "reason": "spam", "for_s": 3600}
    made = endpoint.ask("POST", "/bans", wanted, trusted=True)
    assert (made.status, made.headers["location"]) == (201, "/bans/1")
    assert endpoint.ask_get("/bans", trusted=True).value == {"bans": [made.value]}
    assert endpoint.ask("DELETE", "/bans/1", trusted=True).status == 204
    assert endpoint.ask("DELETE", "/bans/1", trusted=True).status == 404
    assert endpoint.ask_get("/bans", trusted=True).value == {"bans": []}


def test_an_account_is_made_listed_and_removed(endpoint: Endpoint) -> None:
    wanted = {"name": "zoë", "secret": "tea4two!"}
    made = endpoint.ask("POST", "/accounts", wanted, trusted=True)
    assert (made.status, made.headers["location"]) == (201, "/accounts/zo%C3%AB")
    assert "secret" not in made.value
    assert endpoint.ask("POST", "/accounts", wanted, trusted=True).status == 409
    assert endpoint.ask("POST", "/accounts", {"name": "x", "secret": 7}, trusted=True).status == 422
    assert endpoint.ask_get("/accounts", trusted=True).value == {"accounts": [made.value]}
    assert endpoint.ask("GET", "/accounts").status == 401
    assert endpoint.ask("DELETE", "/accounts/zo%C3%AB", trusted=True).status == 204
    assert endpoint.ask("DELETE", "/accounts/zo%C3%AB", trusted=True).status == 404


def test_a_script_says_something_with_curl(endpoint: Endpoint) -> None:
    answer = endpoint.ask("POST", "/rooms/lobby/messages", {"from": "ci", "text": "deploy done"}, trusted=True)
    assert (answer.status, answer.value) == (201, {"room": "lobby", "seq": 1})
    assert endpoint.ask_get("/rooms/lobby/messages", trusted=True).value["messages"][0]["text"] == "deploy done"


def test_what_is_not_kept_in_time_is_neither_done_nor_not_done(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gchat.admin.routes.ACTION_S", 0.05)
    endpoint.backend.say_waits_s = 30
    answer = endpoint.ask("POST", "/rooms/lobby/messages", {"from": "ci", "text": "x"}, trusted=True)
    assert answer.status == 503
    assert "may still happen" in answer.detail


def test_a_refusal_of_the_journal_is_told(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(room: str, name: str, text: str) -> int:
        raise NotPossible("The disk is full: the room takes no messages now")

    monkeypatch.setattr(endpoint.backend, "say", full)
    answer = endpoint.ask("POST", "/rooms/lobby/messages", {"from": "ci", "text": "x"}, trusted=True)
    assert (answer.status, answer.detail) == (409, "The disk is full: the room takes no messages now")
