"""Where to connect: HOST, PORT and --tls, URLs, and what client.toml says of its own server only."""

from __future__ import annotations

import pytest

from gchat.cli import UsageError
from gchat.client.destination import Destination, destination
from gchat.client.files.settings_file import ClientSettings


@pytest.mark.parametrize(
    ("host", "port", "tls", "expected"),
    [
        (None, None, False, Destination("127.0.0.1", 8888, False)),
        (None, None, True, Destination("127.0.0.1", 8888, True)),
        ("chat.example.org", "99", False, Destination("chat.example.org", 99, False)),
        ("gchats://chat.example.org", None, False, Destination("chat.example.org", 8888, True)),
        ("gchats://chat.example.org:99/", None, False, Destination("chat.example.org", 99, True)),
        ("GCHATS://[::1]:99", None, False, Destination("::1", 99, True)),
        ("gchat://[::1]", "99", False, Destination("::1", 99, False)),
        ("/run/chat.sock", None, False, Destination("/run/chat.sock", 8888, False)),
    ],
)
def test_the_command_line_names_a_server(host: str | None, port: str | None, tls: bool, expected: Destination) -> None:
    assert (
        destination(host, port, ClientSettings(host="elsewhere", tls=True) if host else ClientSettings(), tls=tls)
        == expected
    )


def test_without_a_host_the_file_names_it() -> None:
    assert destination(None, None, ClientSettings(host="chat.example.org", tls=True), tls=False).is_tls
    assert destination(None, None, ClientSettings(host="gchats://chat.example.org:99"), tls=False).port == 99
    assert destination(None, None, ClientSettings(tls=True), tls=False) == Destination("127.0.0.1", 8888, True)
    assert destination(None, None, ClientSettings(host="chat.example.org"), tls=True).is_tls


@pytest.mark.parametrize("host", ["https://chat.example.org", "gchats://", "gchat://:99", "gchats:///run/chat.sock"])
def test_what_is_no_address_is_refused_also_in_the_file(host: str) -> None:
    with pytest.raises(UsageError):
        destination(host, None, ClientSettings(), tls=False)
    with pytest.raises(UsageError, match=r"^client\.toml: "):
        destination(None, None, ClientSettings(host=host), tls=False)


def test_plain_text_and_tls_at_once_is_refused() -> None:
    with pytest.raises(UsageError, match="gchat:// is plain text"):
        destination("gchat://chat.example.org", None, ClientSettings(), tls=True)
