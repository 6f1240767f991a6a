"""Whose request it is: what a trusted proxy says counts, and what anybody else says never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.admin.forwarded import RequestOrigin, origin_of
from gchat.admin.responses import Problem
from gchat.chat.networks import is_in

TRUSTED = "127.0.0.1 10.0.0.0/8 2001:db8::/32"
CLIENT = "203.0.113.9"


def peer_of(forwarded_for: str, peer: str = "127.0.0.1") -> str:
    return origin_of(peer, {"x-forwarded-for": forwarded_for}, TRUSTED).peer


@pytest.mark.parametrize("peer", ["192.0.2.7", "127.0.0.2", "2001:db9::1", ""])
@pytest.mark.parametrize("trusted", ["", TRUSTED])
def test_of_anybody_else_nothing_is_believed(peer: str, trusted: str) -> None:
    fields = {"x-forwarded-for": CLIENT, "x-forwarded-proto": "https", "x-forwarded-host": "chat.example"}
    assert origin_of(peer, fields, trusted) == RequestOrigin(peer)


@pytest.mark.parametrize(
    ("forwarded_for", "expected"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}, 10.1.2.3", CLIENT),  # two proxies of ours
        (f"10.9.9.9, {CLIENT}, 10.1.2.3", CLIENT),  # the peer says that it is one of ours
        (f"127.0.0.1, {CLIENT}", CLIENT),  # or this machine
        (f"nonsense, <script>, {CLIENT}", CLIENT),
        ("10.1.2.3", "10.1.2.3"),  # a peer among the proxies
        ("10.1.2.4,10.1.2.3", "10.1.2.4"),
        (f"{CLIENT}:51234", CLIENT),
        ("[2001:db9::9]:51234", "2001:db9::9"),
        ("[2001:db9::9]", "2001:db9::9"),
        ("2001:db9::9", "2001:db9::9"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("127.0.0.2", "127.0.0.2"),
    ],
)
def test_the_peer_is_the_last_address_that_is_not_a_trusted_proxys(forwarded_for: str, expected: str) -> None:
    assert peer_of(forwarded_for) == expected


@pytest.mark.parametrize(
    ("forwarded_for", "peer", "expected"),
    [
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("::1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1, 10.9.9.9", "127.0.0.1", "10.9.9.9"),  # a peer among the proxies says that it is this machine
        (f"{CLIENT}, 127.0.0.1", "10.1.2.3", CLIENT),  # two proxies on one machine
    ],
)
def test_the_loopback_address_of_another_machine_is_not_ours(forwarded_for: str, peer: str, expected: str) -> None:
    assert peer_of(forwarded_for, peer) == expected


@pytest.mark.parametrize("forwarded_for", ["unknown", "_hidden", "chat.example", f"{CLIENT},", f"{CLIENT}, x", "1.2.3"])
def test_nonsense_from_the_proxy_itself_is_refused(forwarded_for: str) -> None:
    with pytest.raises(Problem, match="is not an address"):
        peer_of(forwarded_for)


def test_a_proxy_that_says_nothing_makes_it_an_unknown_peer() -> None:
    assert origin_of("127.0.0.1", {}, TRUSTED) == RequestOrigin("127.0.0.1", is_known=False)


@pytest.mark.parametrize(("said", "scheme"), [("https", "https"), ("HTTP", "http"), ("http, https", "https"), ("", "")])
def test_the_scheme_is_what_the_last_proxy_says(said: str, scheme: str) -> None:
    fields = {"x-forwarded-for": CLIENT, "x-forwarded-proto": said, "x-forwarded-host": "a, chat.example"}
    assert origin_of("127.0.0.1", fields, TRUSTED) == RequestOrigin(CLIENT, scheme=scheme, host="chat.example")


def test_another_scheme_is_refused() -> None:
    with pytest.raises(Problem, match="neither http nor https"):
        origin_of("127.0.0.1", {"x-forwarded-proto": "gopher"}, TRUSTED)


@given(st.lists(st.one_of(st.ip_addresses().map(str), st.text(max_size=12)), max_size=6), st.ip_addresses())
def test_no_header_of_a_peer_makes_it_another_one(sent: list[str], peer: object) -> None:
    if is_in(str(peer), TRUSTED):
        return
    mapped = getattr(peer, "ipv4_mapped", None)
    assert peer_of(", ".join([*sent, str(peer)])) == str(mapped or peer)
