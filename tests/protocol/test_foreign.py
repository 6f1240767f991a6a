"""Foreign protocols are known by how they open, and what people say is not taken for one."""

from __future__ import annotations

import pytest

from gchat.protocol.foreign import foreign

FOREIGN = [
    *(("HTTP", f"{method} / HTTP/1.1") for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")),
    ("HTTP", "PATCH /status HTTP/2"),
    ("HTTP", "CONNECT example.org:443 HTTP/1.1"),
    ("HTTP", "PRI * HTTP/2.0"),
    ("HTTP", "GET /"),
    ("HTTP", "GET http://localhost:8888/ HTTP/1.0"),
    ("HTTP", "Host: localhost:8888"),
    ("HTTP", "host:evil.example"),
    ("HTTP", "Content-Length: 12"),
    ("SSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2"),
    ("SMTP", "EHLO mail.example.org"),
    ("SMTP", "HELO x"),
    ("a PROXY header", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443"),
    ("a PROXY header", "PROXY UNKNOWN"),
    ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
]


@pytest.mark.parametrize(("name", "opening"), FOREIGN)
def test_who_speaks_another_protocol_is_known(name: str, opening: str) -> None:
    assert foreign(opening.encode("latin-1")) == name


@pytest.mark.parametrize(
    "opening",
    [
        "",
        "hello",
        "GET some sleep",
        "GET well soon, all of you",
        "POST",
        "PUT it there",
        "get / out",
        "Host: who is it tonight?",
        "Hosting: fun",
        "TRACE of a bug",
        "ssh-2 is a protocol",
        "SSH-agent does not start",
        "EHLO, everybody",
        "HELO my old friends",
        "PROXY is down",
        "/nick alice",
        "-1",
        "I typed GET / HTTP/1.1 and was thrown out",
        "\x16",
    ],
)
def test_what_people_say_is_chat(opening: str) -> None:
    assert foreign(opening.encode()) is None


def test_a_handshake_of_tls_is_known_by_its_first_three_bytes() -> None:
    assert foreign(b"\x16\x03\x01") == "TLS"
    assert foreign(b"\x16\x03") is None


def test_a_second_version_of_a_proxy_header_is_known_by_what_follows_its_blank_lines() -> None:
    # \r\n\r\n\0\r\nQUIT\n: two blank lines, then a line that is one NUL.
    assert foreign(b"\x00") == "a PROXY header"
