"""Access: every combination of peer, request and token, with the status and the scope that must come of it."""

from __future__ import annotations

from itertools import product

import pytest

from gchat.admin.access import (
    MAX_COUNTED,
    MAX_WRONG,
    NOBODY,
    WINDOW_S,
    Access,
    AccessRequest,
    NamedToken,
    Rights,
    Scope,
    hash_of,
)
from gchat.admin.responses import Problem
from gchat.model.secret import Secret
from tests.admin.fake_backend import READ_TOKEN, TOKEN

PORT = 8889
HOST = f"127.0.0.1:{PORT}"
RIGHT = f"Bearer {TOKEN}"
READ = f"Bearer {READ_TOKEN}"


def status_of(access: Access, asked: AccessRequest, now: float = 0.0) -> int:
    """Return the status of the refusal, 200 if there is none."""
    try:
        access.check(asked, now)
    except Problem as refusal:
        problem = refusal
    else:
        return 200
    assert problem.status != 401 or problem.headers["WWW-Authenticate"] == "Bearer"
    assert problem.status != 429 or int(problem.headers["Retry-After"]) > 0
    assert TOKEN not in problem.detail
    assert READ_TOKEN not in problem.detail
    return problem.status


LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", ""]
ELSEWHERE = ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "fe80::1%eth0"]

RIGHT_HOSTS = [HOST, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}", f"chat.example:{PORT}"]
# A proxy has a port of its own, and may drop it.
RIGHT_HOSTS += [
    "127.0.0.1",
    "localhost",
    "127.0.0.1:80",
    "chat.example",
    "chat.example:8443",
]
WRONG_HOSTS = [
    "",
    f"127.0.0.1:{PORT}x",
    f"evil.example:{PORT}",
    f"localhost.evil.example:{PORT}",
    f"127.0.0.1.nip.io:{PORT}",
    f"localhost.:{PORT}",
    f"[::1:{PORT}",
    f"::1:{PORT}",
    f"user@127.0.0.1:{PORT}",
    f"127.1:{PORT}",
    f"0.0.0.0:{PORT}",
    f"127.0.0.1:{PORT}, evil.example",
]

WRONG_TOKENS = {
    f"Bearer {TOKEN[:-1]}": 401,
    f"Bearer {TOKEN}x": 401,
    f"Bearer {TOKEN.upper()}": 401,
    "Bearer": 401,
    "Bearer ": 401,
    TOKEN: 401,
    f"Basic {TOKEN}": 401,
    f"Bearer {TOKEN}, Bearer {TOKEN}": 401,
    "Bearer \xe9\xff": 401,
}

FOREIGN_ORIGINS = [
    "null",
    "http://evil.example",
    "http://127.0.0.1",
    f"https://{HOST}",
    f"http://{HOST}.evil.example",
    f"http://localhost:{PORT}",  # it is not the Host
    "http://127.0.0.1:8888",
]


def table() -> list[tuple[AccessRequest, int]]:
    """Return what is asked, and the status that must come of it."""
    rows: list[tuple[AccessRequest, int]] = []
    for peer, path in product(ELSEWHERE, ("/", "/page.js", "/page.css", "/healthz", "/readyz")):
        rows.append((AccessRequest(method="GET", peer=peer, host=HOST, path=path), 200))
        rows.append((AccessRequest(method="POST", peer=peer, host=HOST, path=path), 401))
        rows.append((AccessRequest(method="GET", peer=peer, host="evil.example", path=path), 421))
        rows.append((AccessRequest(method="GET", peer=peer, host=HOST, path=path + "x"), 401))
    for peer, method, host in product(LOOPBACK, ("GET", "HEAD", "OPTIONS"), RIGHT_HOSTS):
        rows.append((AccessRequest(method=method, peer=peer, host=host), 200))
    for peer, method, host in product(LOOPBACK, ("POST", "DELETE", "PUT", "PATCH"), RIGHT_HOSTS[:2]):
        rows.append((AccessRequest(method=method, peer=peer, host=host), 401))
        rows.append((AccessRequest(method=method, peer=peer, host=host, authorization=RIGHT), 200))
        rows.append((AccessRequest(method=method, peer=peer, host=host, authorization=READ), 403))
    for peer, method in product(ELSEWHERE, ("GET", "HEAD", "OPTIONS", "POST", "DELETE")):
        rows.append((AccessRequest(method=method, peer=peer, host=HOST), 401))
        rows.append((AccessRequest(method=method, peer=peer, host=HOST, authorization=RIGHT), 200))
        status = 403 if method in ("POST", "DELETE") else 200
        rows.append((AccessRequest(method=method, peer=peer, host=HOST, authorization=READ), status))
    for host, (method, authorization) in product(WRONG_HOSTS, (("GET", ""), ("POST", RIGHT))):
        rows.append((AccessRequest(method=method, peer="127.0.0.1", host=host, authorization=authorization), 421))
    for method, (authorization, status) in product(("GET", "POST"), WRONG_TOKENS.items()):
        rows.append((AccessRequest(method=method, peer="127.0.0.1", host=HOST, authorization=authorization), status))
    for method, origin in product(("GET", "POST", "DELETE"), FOREIGN_ORIGINS):
        rows.append(
            (AccessRequest(method=method, peer="127.0.0.1", host=HOST, origin=origin, authorization=RIGHT), 403)
        )
    for method, site in product(("GET", "POST"), ("cross-site", "same-site", "Same-Origin", "x")):
        rows.append((AccessRequest(method=method, peer="127.0.0.1", host=HOST, site=site, authorization=RIGHT), 403))
    for origin, site in product(("", f"http://{HOST}", f"HTTP://{HOST}"), ("", "none", "same-origin")):
        rows.append((AccessRequest(method="GET", peer="127.0.0.1", host=HOST, origin=origin, site=site), 200))
    for content_type, status in {
        "": 415,
        "text/plain": 415,
        "application/x-www-form-urlencoded": 415,
        "multipart/form-data; boundary=x": 415,
        "application/jsonp": 415,
        "application/json; charset=latin-1": 415,
        "application/json; x=y": 415,
        "application/json": 200,
        "Application/JSON": 200,
        "application/json;charset=UTF-8": 200,
        'application/json; charset="utf-8"': 200,
    }.items():
        asked = AccessRequest(
            "POST", "127.0.0.1", host=HOST, authorization=RIGHT, content_type=content_type, has_body=True
        )
        rows.append((asked, status))
        rows.append((AccessRequest("POST", "127.0.0.1", host=HOST, content_type=content_type, has_body=True), 401))
    return rows


TABLE = table()


def test_the_table_has_more_than_two_hundred_rows() -> None:
    assert len({asked for asked, _ in TABLE}) > 200


@pytest.mark.parametrize(("asked", "status"), TABLE, ids=repr)
def test_every_combination_has_its_status(asked: AccessRequest, status: int) -> None:
    assert status_of(Access(TOKEN, ["chat.example:80"], read_token=READ_TOKEN), asked) == status


@pytest.mark.parametrize(
    ("host", "local", "status"),
    [
        ("localhost", "127.0.0.1", 200),
        ("localhost:80", "127.0.0.1", 200),
        ("192.0.2.1:8889", "192.0.2.1", 200),  # bound to 0.0.0.0: an address cannot be rebound
        ("192.0.2.1:8889", "::ffff:192.0.2.1", 200),
        ("[2001:db8::1]:8889", "2001:db8::1", 200),
        ("192.0.2.2:8889", "192.0.2.1", 421),
        ("localhost", "", 200),  # a Unix socket has no address
        ("localhost:1234", "", 200),
        ("evil.example", "", 421),
    ],
)
def test_the_host_is_a_name_of_ours_whatever_its_port(host: str, local: str, status: int) -> None:
    assert status_of(Access(TOKEN), AccessRequest("GET", "127.0.0.1", local=local, host=host)) == status


@pytest.mark.parametrize(
    ("scheme", "origin", "status"),
    [
        ("https", "https://chat.example:8443", 200),
        ("https", "http://chat.example:8443", 403),
        ("http", "http://chat.example:8443", 200),
        ("", "http://chat.example:8443", 200),
        ("https", "https://chat.example", 403),  # another port, and perhaps another server
    ],
)
def test_the_page_of_a_proxy_is_ours_in_the_scheme_that_it_has_there(scheme: str, origin: str, status: int) -> None:
    access = Access(TOKEN, ["chat.example"])
    asked = AccessRequest("GET", "127.0.0.1", host="chat.example:8443", origin=origin, scheme=scheme)
    assert status_of(access, asked) == status


def test_what_comes_through_a_proxy_that_does_not_say_from_where_needs_a_token() -> None:
    access = Access(TOKEN)
    assert status_of(access, AccessRequest("GET", "127.0.0.1", is_known=False, host=HOST)) == 401
    assert status_of(access, AccessRequest("GET", "127.0.0.1", is_known=False, path="/", host=HOST)) == 200
    assert status_of(access, AccessRequest("GET", "127.0.0.1", is_known=False, host=HOST, authorization=RIGHT)) == 200


def test_with_an_empty_token_file_no_token_is_accepted_and_reading_on_this_machine_goes_on() -> None:
    access = Access("")
    assert status_of(access, AccessRequest("GET", "127.0.0.1", host=HOST)) == 200
    for authorization in ("", "Bearer ", "Bearer", "Bearer x"):
        assert status_of(access, AccessRequest("POST", "127.0.0.1", host=HOST, authorization=authorization)) == 403
        assert status_of(access, AccessRequest("GET", "192.0.2.7", host=HOST, authorization=authorization)) == 403


def test_the_scope_is_that_of_the_token() -> None:
    access = Access(TOKEN, read_token=READ_TOKEN)
    for authorization, scope in ((RIGHT, Scope.ALL), (READ, Scope.READ), ("", Scope.NONE)):
        for peer in ("127.0.0.1", ""):
            asked = AccessRequest("GET", peer, host=HOST, authorization=authorization)
            assert access.check(asked, 0.0).scope is scope
    assert access.check(AccessRequest("GET", "192.0.2.7", host=HOST, authorization=READ), 0.0).scope is Scope.READ


def test_the_read_only_token_alone_reads_and_changes_nothing() -> None:
    access = Access("", read_token=READ_TOKEN)
    assert access.check(AccessRequest("GET", "192.0.2.7", host=HOST, authorization=READ), 0.0).scope is Scope.READ
    with pytest.raises(Problem, match="needs a token with the scope moderate; the token read has read"):
        access.check(AccessRequest("POST", "127.0.0.1", host=HOST, authorization=READ), 0.0)
    with pytest.raises(Problem, match="needs a token"):
        access.check(AccessRequest("POST", "127.0.0.1", host=HOST), 0.0)


def test_private_parts_are_demanded_of_the_scope() -> None:
    access = Access(TOKEN, read_token=READ_TOKEN)
    for scope in (Scope.READ, Scope.MODERATE, Scope.ALL):
        access.demand(Rights("x", scope), Scope.READ, "Reading messages")
    with pytest.raises(Problem, match="Reading messages needs a token; send the header Authorization: Bearer TOKEN"):
        access.demand(NOBODY, Scope.READ, "Reading messages")


_SECRETS = {"reader": "r" * 43, "keeper": "k" * 43, "root": "t" * 43, "ci": "c" * 43}
_NAMED = {
    name: NamedToken(name, scope, hash_of(_SECRETS[name]).hex(), "2026-11-28T00:00:00.000Z")
    for name, scope in {"reader": "read", "keeper": "moderate", "root": "all", "ci": "say:ci"}.items()
}


def named(access: Access, name: str, method: str = "GET") -> Rights:
    asked = AccessRequest(method, "127.0.0.1", host=HOST, authorization=f"Bearer {_SECRETS[name]}")
    return access.check(asked, 0.0)


@pytest.mark.parametrize(
    ("name", "suffices"),
    [
        ("reader", {Scope.READ}),
        ("keeper", {Scope.READ, Scope.MODERATE}),
        ("root", {Scope.READ, Scope.MODERATE, Scope.ALL}),
        ("ci", set()),
    ],
)
def test_a_named_token_may_do_what_its_scope_says_and_no_more(name: str, suffices: set[Scope]) -> None:
    access = Access(TOKEN, named=_NAMED)
    rights = named(access, name)
    assert rights.name == name
    for needed in (Scope.READ, Scope.MODERATE, Scope.ALL):
        if needed in suffices:
            access.demand(rights, needed, "This")
        else:
            with pytest.raises(Problem, match=f"the token {name} has {rights.shown}") as refused:
                access.demand(rights, needed, "This")
            assert refused.value.status == 403


def test_a_token_of_one_room_speaks_there_alone_and_sees_nothing_from_elsewhere() -> None:
    access = Access(TOKEN, named=_NAMED)
    rights = named(access, "ci", "POST")
    access.demand(rights, Scope.ALL, "POST /rooms/ci/messages", "ci")
    for room in ("dev", "ci2", "CI"):
        with pytest.raises(Problem, match=f"scope all or say:{room}; the token ci has say:ci"):
            access.demand(rights, Scope.ALL, "Saying that", room)
    asked = AccessRequest("GET", "192.0.2.7", host=HOST, authorization=f"Bearer {_SECRETS['ci']}")
    assert status_of(access, asked) == 403


def test_a_revoked_token_is_a_wrong_one_from_the_next_request_on() -> None:
    tokens = dict(_NAMED)
    access = Access(TOKEN, named=tokens)
    assert named(access, "keeper").scope is Scope.MODERATE
    del tokens["keeper"]
    with pytest.raises(Problem, match="Wrong token"):
        named(access, "keeper")


def test_a_right_named_token_is_never_refused_whatever_was_tried_before_from_there() -> None:
    access = Access(TOKEN, named=_NAMED)
    for _ in range(2 * MAX_WRONG):
        status_of(access, AccessRequest("POST", "127.0.0.1", host=HOST, authorization="Bearer x"))
    assert status_of(access, AccessRequest("POST", "127.0.0.1", host=HOST, authorization="Bearer x")) == 429
    assert named(access, "ci").room == "ci"


@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.1", ""])
def test_a_right_token_is_never_refused_whatever_was_tried_before(peer: str) -> None:
    access = Access(TOKEN, read_token=READ_TOKEN)
    wrong = AccessRequest("POST", peer, host=HOST, authorization="Bearer x")
    assert [status_of(access, wrong, now) for now in range(MAX_WRONG)] == [401] * MAX_WRONG
    for now in (10, 20, WINDOW_S - 0.1):
        assert status_of(access, wrong, now) == 429
        assert status_of(access, AccessRequest("POST", peer, host=HOST, authorization=RIGHT), now) == 200
        assert status_of(access, AccessRequest("GET", peer, host=HOST, authorization=READ), now) == 200
    assert status_of(access, wrong, WINDOW_S) == 401


def test_wrong_tokens_from_one_address_slow_down_no_other_and_no_reader_without_one() -> None:
    access = Access(TOKEN)
    for now in range(MAX_WRONG + 1):
        status_of(access, AccessRequest("POST", "127.0.0.1", host=HOST, authorization="Bearer x"), now)
    assert status_of(access, AccessRequest("POST", "127.0.0.1", host=HOST, authorization="Bearer x"), 6) == 429
    assert status_of(access, AccessRequest("GET", "127.0.0.1", host=HOST), 6) == 200
    assert status_of(access, AccessRequest("POST", "192.0.2.7", host=HOST, authorization="Bearer x"), 6) == 401


def test_no_repr_shows_a_token() -> None:
    asked = AccessRequest("GET", "127.0.0.1", host=HOST, authorization=Secret(RIGHT))
    access = Access(TOKEN, read_token=READ_TOKEN)
    assert access.check(asked, 0.0).scope is Scope.ALL
    assert TOKEN not in repr((asked, access, vars(access)))


def test_a_whole_ipv6_network_has_five_tries_all_the_same() -> None:
    access = Access(TOKEN)
    statuses = [
        status_of(access, AccessRequest("POST", f"2001:db8::{host}", host=HOST, authorization="Bearer x"))
        for host in range(7)
    ]
    assert statuses == [401] * 5 + [429] * 2


def test_the_table_of_wrong_tokens_does_not_grow_without_end() -> None:
    access = Access(TOKEN)
    for number in range(3 * MAX_COUNTED):
        peer = f"10.0.{number // 256}.{number % 256}"
        status_of(access, AccessRequest("POST", peer, host=HOST, authorization="Bearer x"))
    assert len(access._wrong) <= MAX_COUNTED


@pytest.mark.parametrize(
    "public_url", ["https://chat.example/admin", "https://CHAT.example:443", "https://chat.example"]
)
@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("chat.example", "https://chat.example", 200),  # the proxy passes the Host on
        ("Chat.Example:443", "https://chat.example", 200),
        (HOST, "https://chat.example", 200),  # the proxy sets its own
        (HOST, f"http://{HOST}", 200),  # no proxy
        ("chat.example", "", 200),
        ("chat.example", "http://chat.example", 403),  # another origin, and perhaps another server
        ("chat.example", "https://chat.example:8443", 403),
        ("chat.example", "https://chat.example/x", 403),
        ("chat.example", "null", 403),
        ("chat.example", "https://evil.example", 403),
        ("chat.example:8096", "https://chat.example", 200),  # the proxy adds a port of its own
        ("chat.example:x", "", 421),
        ("chat.example:443:443", "", 421),
        ("chat.example/admin", "", 421),
        ("evil.chat.example", "", 421),
    ],
)
def test_behind_a_reverse_proxy_the_public_url_is_ours(public_url: str, host: str, origin: str, status: int) -> None:
    access = Access(TOKEN, public_url=public_url)
    asked = AccessRequest(method="GET", peer="127.0.0.1", local="127.0.0.1", host=host, origin=origin)
    assert status_of(access, asked) == status


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("chat.example:8443", "https://chat.example:8443", 200),
        ("chat.example", "https://chat.example:8443", 200),  # nginx's $host is without the port
        ("chat.example", "https://chat.example", 403),
        ("chat.example:8443", "", 200),
    ],
)
def test_a_proxy_on_another_port_may_drop_the_port_of_the_host(host: str, origin: str, status: int) -> None:
    access = Access(TOKEN, public_url="https://chat.example:8443/admin/")
    assert status_of(access, AccessRequest(method="GET", peer="127.0.0.1", host=host, origin=origin)) == status


def test_a_name_that_is_public_and_local_is_reached_in_both_ways() -> None:
    access = Access(TOKEN, ["chat.example"], public_url="https://chat.example/admin")
    for origin in (f"http://chat.example:{PORT}", "https://chat.example"):
        asked = AccessRequest(method="GET", peer="127.0.0.1", host=f"chat.example:{PORT}", origin=origin)
        assert status_of(access, asked) == 200


@pytest.mark.parametrize("origin", ["null", "://", "https://", "http://"])
def test_without_a_public_url_no_odd_origin_is_ours(origin: str) -> None:
    assert status_of(Access(TOKEN), AccessRequest(method="GET", peer="127.0.0.1", host=HOST, origin=origin)) == 403
