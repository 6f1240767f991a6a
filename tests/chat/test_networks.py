"""What is counted as one network, and what is in a list of networks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gchat.chat.networks import address_of, is_in, network_named, network_of


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("[fe80::1%eth0]", True),
        ("128.0.0.1", False),
        ("[::2]", False),
        ("10.0.0.1", False),
    ],
)
def test_a_host_is_found_in_a_list_of_networks(host: str, *, expected: bool) -> None:
    assert is_in(host, "127.0.0.0/8 ::1  fe80::/10") is expected


def test_no_host_is_in_an_empty_list() -> None:
    assert not is_in("127.0.0.1", "")


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
    ],
)
def test_an_address_of_ipv6_is_counted_as_its_network(host: str, network: str) -> None:
    assert network_of(host) == network


def test_the_addresses_of_one_network_are_counted_together() -> None:
    assert all(a == b for a, b in pairwise(network_of(f"2001:db8::{n:x}") for n in range(1, 50)))


# In https://github.com/brazilofmux/tinymux/issues/800 and https://github.com/ZcashFoundation/zebra/issues/10695 an IPv4
# address had two forms, and what was decided of the one was not found of the other.


@pytest.mark.parametrize("host", ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207", "[::ffff:192.0.2.7]"])
def test_an_ipv4_address_is_itself_however_it_is_written(host: str) -> None:
    assert str(address_of(host)) == "192.0.2.7"
    assert is_in(host, "192.0.2.0/24")
    assert is_in(host, "::ffff:192.0.2.0/120")
    assert not is_in(host, "::ffff:192.0.3.0/120 ::/64")


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/80", "::/80"),
        ("2001:db8::/64", "2001:db8::/64"),
    ],
)
def test_a_network_of_ipv4_addresses_is_one_however_it_is_written(text: str, network: str) -> None:
    assert str(network_named(text)) == network
