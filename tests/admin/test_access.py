"""Who may: every combination of who asks, for what, in which way, with the status that must come of it."""

from __future__ import annotations

from itertools import product

import pytest

from gchat.admin.access import MAX_COUNTED, MAX_WRONG, WINDOW_S, Access, Asked
from gchat.admin.values import Problem
from tests.admin.fake_operator import TOKEN

PORT = 8889
HOST = f"127.0.0.1:{PORT}"
RIGHT = f"Bearer {TOKEN}"


def status_of(access: Access, asked: Asked, now: float = 0.0) -> int:
    """Return the status of who is refused, 200 of who is not."""
    try:
        access.check(asked, now)
    except Problem as refusal:
        problem = refusal
    else:
        return 200
    assert problem.status != 401 or problem.headers["WWW-Authenticate"] == "Bearer"
    assert problem.status != 429 or int(problem.headers["Retry-After"]) > 0
    assert TOKEN not in problem.detail
    return problem.status


LOOPBACK = ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1", ""]
ELSEWHERE = ["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7", "fe80::1%eth0"]

RIGHT_HOSTS = [HOST, f"localhost:{PORT}", f"LOCALHOST:{PORT}", f"[::1]:{PORT}", f"chat.example:{PORT}"]
WRONG_HOSTS = [
    "",
    "127.0.0.1",
    "localhost",
    "127.0.0.1:80",
    f"127.0.0.1:0{PORT}",
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


def table() -> list[tuple[Asked, int]]:
    """Return what is asked, and the status that must come of it."""
    rows: list[tuple[Asked, int]] = []
    for peer, path in product(ELSEWHERE, ("/", "/page.js", "/page.css")):
        rows.append((Asked(method="GET", peer=peer, host=HOST, path=path), 200))
        rows.append((Asked(method="POST", peer=peer, host=HOST, path=path), 401))
        rows.append((Asked(method="GET", peer=peer, host="evil.example", path=path), 421))
        rows.append((Asked(method="GET", peer=peer, host=HOST, path=path + "x"), 401))
    for peer, method, host in product(LOOPBACK, ("GET", "HEAD", "OPTIONS"), RIGHT_HOSTS):
        rows.append((Asked(method=method, peer=peer, host=host), 200))
    for peer, method, host in product(LOOPBACK, ("POST", "DELETE", "PUT", "PATCH"), RIGHT_HOSTS[:2]):
        rows.append((Asked(method=method, peer=peer, host=host), 401))
        rows.append((Asked(method=method, peer=peer, host=host, authorization=RIGHT), 200))
    for peer, method in product(ELSEWHERE, ("GET", "HEAD", "OPTIONS", "POST", "DELETE")):
        rows.append((Asked(method=method, peer=peer, host=HOST), 401))
        rows.append((Asked(method=method, peer=peer, host=HOST, authorization=RIGHT), 200))
    for host, (method, authorization) in product(WRONG_HOSTS, (("GET", ""), ("POST", RIGHT))):
        rows.append((Asked(method=method, peer="127.0.0.1", host=host, authorization=authorization), 421))
    for method, (authorization, status) in product(("GET", "POST"), WRONG_TOKENS.items()):
        rows.append((Asked(method=method, peer="127.0.0.1", host=HOST, authorization=authorization), status))
    for method, origin in product(("GET", "POST", "DELETE"), FOREIGN_ORIGINS):
        rows.append((Asked(method=method, peer="127.0.0.1", host=HOST, origin=origin, authorization=RIGHT), 403))
    for method, site in product(("GET", "POST"), ("cross-site", "same-site", "Same-Origin", "x")):
        rows.append((Asked(method=method, peer="127.0.0.1", host=HOST, site=site, authorization=RIGHT), 403))
    for origin, site in product(("", f"http://{HOST}", f"HTTP://{HOST}"), ("", "none", "same-origin")):
        rows.append((Asked(method="GET", peer="127.0.0.1", host=HOST, origin=origin, site=site), 200))
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
        asked = Asked("POST", "127.0.0.1", host=HOST, authorization=RIGHT, content_type=content_type, has_body=True)
        rows.append((asked, status))
        rows.append((Asked("POST", "127.0.0.1", host=HOST, content_type=content_type, has_body=True), 401))
    return rows


TABLE = table()


def test_the_table_has_more_than_two_hundred_rows() -> None:
    assert len({repr(asked) for asked, _ in TABLE}) > 200


@pytest.mark.parametrize(("asked", "status"), TABLE, ids=repr)
def test_every_combination_has_its_status(asked: Asked, status: int) -> None:
    assert status_of(Access(TOKEN, PORT, ["chat.example"]), asked) == status


@pytest.mark.parametrize(
    ("host", "local", "port", "scheme", "status"),
    [
        ("localhost", "127.0.0.1", 80, "http", 200),
        ("localhost:80", "127.0.0.1", 80, "http", 200),
        ("localhost", "127.0.0.1", 443, "https", 200),
        ("localhost", "127.0.0.1", 443, "http", 421),
        ("192.0.2.1:8889", "192.0.2.1", 8889, "http", 200),  # bound to 0.0.0.0: an address cannot be rebound
        ("192.0.2.1:8889", "::ffff:192.0.2.1", 8889, "http", 200),
        ("[2001:db8::1]:8889", "2001:db8::1", 8889, "http", 200),
        ("192.0.2.2:8889", "192.0.2.1", 8889, "http", 421),
        ("localhost", "", None, "http", 200),  # a Unix socket has no port
        ("localhost:1234", "", None, "http", 200),
        ("evil.example", "", None, "http", 421),
    ],
)
def test_the_host_is_a_name_of_ours_with_the_right_port(
    host: str, local: str, port: int | None, scheme: str, status: int
) -> None:
    access = Access(TOKEN, port, scheme=scheme)
    assert status_of(access, Asked("GET", "127.0.0.1", local=local, host=host)) == status


def test_without_a_token_nobody_is_let_in_by_one_and_reading_on_this_machine_goes_on() -> None:
    access = Access("", PORT)
    assert status_of(access, Asked("GET", "127.0.0.1", host=HOST)) == 200
    for authorization in ("", "Bearer ", "Bearer", "Bearer x"):
        assert status_of(access, Asked("POST", "127.0.0.1", host=HOST, authorization=authorization)) == 403
        assert status_of(access, Asked("GET", "192.0.2.7", host=HOST, authorization=authorization)) == 403


def test_who_showed_the_token_is_trusted_and_who_did_not_is_not() -> None:
    access = Access(TOKEN, PORT)
    assert access.check(Asked("GET", "127.0.0.1", host=HOST, authorization=RIGHT), 0.0)
    assert not access.check(Asked("GET", "127.0.0.1", host=HOST), 0.0)


def test_after_five_wrong_tokens_even_the_right_one_waits_for_a_minute() -> None:
    access = Access(TOKEN, PORT)
    wrong = Asked("POST", "192.0.2.7", host=HOST, authorization="Bearer x")
    right = Asked("POST", "192.0.2.7", host=HOST, authorization=RIGHT)
    assert [status_of(access, wrong, now) for now in range(MAX_WRONG)] == [401] * MAX_WRONG
    assert status_of(access, wrong, 10) == 429
    assert status_of(access, right, 20) == 429
    assert status_of(access, right, WINDOW_S - 0.1) == 429
    assert status_of(access, right, WINDOW_S) == 200


def test_wrong_tokens_of_one_do_not_keep_out_another_nor_who_reads_without_one() -> None:
    access = Access(TOKEN, PORT)
    for now in range(MAX_WRONG + 1):
        status_of(access, Asked("POST", "127.0.0.1", host=HOST, authorization="Bearer x"), now)
    assert status_of(access, Asked("POST", "127.0.0.1", host=HOST, authorization=RIGHT), 6) == 429
    assert status_of(access, Asked("GET", "127.0.0.1", host=HOST), 6) == 200
    assert status_of(access, Asked("POST", "192.0.2.7", host=HOST, authorization=RIGHT), 6) == 200


def test_who_has_a_whole_ipv6_network_has_five_tries_all_the_same() -> None:
    access = Access(TOKEN, PORT)
    statuses = [
        status_of(access, Asked("POST", f"2001:db8::{host}", host=HOST, authorization="Bearer x")) for host in range(7)
    ]
    assert statuses == [401] * 5 + [429] * 2


def test_the_table_of_wrong_tokens_does_not_grow_without_end() -> None:
    access = Access(TOKEN, PORT)
    for number in range(3 * MAX_COUNTED):
        peer = f"10.0.{number // 256}.{number % 256}"
        status_of(access, Asked("POST", peer, host=HOST, authorization="Bearer x"))
    assert len(access._wrong) <= MAX_COUNTED
