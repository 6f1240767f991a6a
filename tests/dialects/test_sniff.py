"""Foreign protocols are known by how they open, and what people say is not taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.dialects.sniff import MAX_START_BYTES, MORE, THIS_IS, Foreign, Verdict, sniff

FOREIGN = [
    *(("HTTP", f"{method} / HTTP/1.1") for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")),
    ("HTTP", "PATCH /status HTTP/2"),
    ("HTTP", "PROPFIND /dav HTTP/1.1"),
    ("HTTP", "M-SEARCH * HTTP/1.1"),
    ("HTTP", "CONNECT example.org:443 HTTP/1.1"),
    ("HTTP", "PRI * HTTP/2.0"),
    ("HTTP", "GET /"),
    ("HTTP", "GET http://localhost:8888/ HTTP/1.0"),
    ("HTTP", "Host: localhost:8888"),
    ("HTTP", "host:evil.example"),
    ("HTTP", "Content-Length: 12"),
    ("HTTP", "POST /" + "a" * 9000),
    ("SSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2"),
    ("SMTP", "EHLO mail.example.org"),
    ("SMTP", "HELO [192.0.2.1]"),
    ("SMTP", "HELO localhost"),
    ("SMTP", "MAIL FROM:<a@example.com>"),
    ("PROXY", "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443"),
    ("PROXY", "PROXY UNKNOWN"),
    ("IRC", "CAP LS 302"),
    ("IRC", "CAP LS"),
    ("IRC", "CAP REQ :sasl server-time"),
    ("IRC", "NICK foo"),
    ("IRC", "NICK [away]|x_"),
    ("IRC", ":old NICK :new"),
    ("IRC", "PASS hunter2"),
    ("IRC", "PASS :hunter 2"),
    ("IRC", "USER a 0 * :b"),
    ("IRC", 'USER a "" "x" :A Name'),
    ("IRC", "USER guest tolmoon tolsun :Ronnie Reagan"),
    ("IRC", "AUTHENTICATE PLAIN"),
    ("IRC", "JOIN #dev"),
    ("IRC", "PRIVMSG NickServ :IDENTIFY hunter2"),
    ("IRC", "OPER root hunter2"),
    ("Redis", "AUTH hunter2"),
    ("Redis", "AUTH default hunter2"),
    ("Redis", "HELLO 3"),
    ("Redis", "HELLO 3 AUTH default hunter2"),
    ("NATS", 'CONNECT {"user":"a","pass":"hunter2"}'),
    ("STOMP", "CONNECT"),
    ("memcached", "set key 0 0 5"),
    ("POP3", "USER bob"),
    ("IMAP", "a1 LOGIN bob hunter2"),
    ("IMAP", 'a1 login "bob" "hunter2"'),
    ("IMAP", "A001 CAPABILITY"),
    ("IMAP", ". LOGIN bob hunter2"),
    ("RTSP", "OPTIONS rtsp://192.0.2.1:554/stream RTSP/1.0"),
    ("RTSP", "OPTIONS / RTSP/1.0"),
    ("SIP", "OPTIONS sip:nm SIP/2.0"),
    ("VNC", "RFB 003.008"),
    ("rsync", "@RSYNCD: 31.0"),
]

LINES = [(name, f"{line}\r\n".encode()) for name, line in FOREIGN]

BINARY = [
    ("TLS", b"\x16\x03\x01\x02\x00\x01"),
    ("TLS", b"\x80\x2e\x01\x03\x01\x00\x15"),
    ("PROXY", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"),
    ("PostgreSQL", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),  # SSLRequest
    ("PostgreSQL", b"\x00\x00\x00\x08\x04\xd2\x16\x30"),  # GSSENCRequest
    ("PostgreSQL", b"\x00\x00\x00\x21\x00\x03\x00\x00user\x00bob\x00"),
    ("MQTT", b"\x10\x10\x00\x04MQTT\x04\xc2\x00\x3c\x00\x04mqtt"),
    ("MQTT", b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00"),
    ("MQTT", b"\x10\x80\x01\x00\x06MQIsdp\x03"),
    ("SOCKS4", b"\x04\x01\x22\xb8\x7f\x00\x00\x01\x00"),
    ("SOCKS5", b"\x05\x01\x00"),
    ("SOCKS5", b"\x05\x02\x00\x02"),
    ("RDP", b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"),
    ("LDAP", b"0\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"),
    ("LDAP", b"0\x84\x00\x00\x00\x10\x02\x01\x01\x60\x84\x00\x00\x00\x07\x02\x01\x03\x04\x00\x80\x00"),
    ("memcached", b"\x80\x0b\x00\x00\x00\x00\x00\x00"),
    ("X11", b"l\x00\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
    ("BitTorrent", b"\x13BitTorrent protocol"),
    ("AMQP", b"AMQP\x00\x00\x09\x01"),
    ("XMPP", b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client'>"),
    ("XMPP", b"<stream:stream to='x' xmlns='jabber:client'>"),
    ("a policy request", b"<policy-file-request/>\x00"),
    ("Git", b"0032git-upload-pack /project.git\x00host=example.org\x00"),
    ("Redis", b"*1\r\n$4\r\nPING\r\n"),
    ("Redis", b"*1\r\n$4\r\ninfo\r\n"),  # ioredis
    ("RDP", b"\x03\x00\x00\x2b\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=user\r\n"),
    ("Redis", b"*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n"),
    ("a binary protocol", b"\x00\x06\x01\x00\x00\x01\x00\x00"),  # DNS
    ("a binary protocol", b"\x12\x01\x00\x34\x00\x00"),  # SQL Server
    ("a binary protocol", b"\x3f\x00\x00\x00\x7e\x00\x00\x00"),  # MongoDB
    ("a binary protocol", b"\x04\x00\x00\x00\x05\x00\x00\x00\x00"),  # Cassandra
    ("a binary protocol", b"JRMI\x00\x02K"),  # Java
    ("a binary protocol", b"\x00\x00\x00\xa4\xffSMBr\x00"),
]


def name(verdict: Verdict) -> str | None:
    assert verdict is None or isinstance(verdict, Foreign)
    return verdict.name if verdict else None


def verdict(data: bytes) -> Verdict:
    """Judge `data` as the server does, for which any number of bytes may come at once."""
    for end in range(1, len(data) + 1):
        found = sniff(data[:end])
        if found is not MORE:
            return found
    return MORE


@pytest.mark.parametrize(("protocol", "data"), LINES + BINARY)
def test_who_speaks_another_protocol_is_known(protocol: str, data: bytes) -> None:
    assert name(sniff(data)) == protocol


@pytest.mark.parametrize(("protocol", "data"), [sample for sample in LINES + BINARY if sample[1][:1] != b"?"])
@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b"\r\0", b"  "])
def test_another_protocol_is_known_byte_by_byte(protocol: str, data: bytes, before: bytes) -> None:
    assert name(verdict(before + data)) == protocol


@pytest.mark.parametrize(("protocol", "line"), FOREIGN)
def test_a_line_without_its_end_is_judged_when_the_stream_ends(protocol: str, line: str) -> None:
    assert name(sniff(line.encode(), ended=True)) == protocol
    assert sniff(line.encode()) is MORE or len(line) > MAX_START_BYTES


CHAT = [
    "hello",
    "GET some sleep",
    "GET well soon, all of you",
    "POST",
    "PUT it there",
    "get / out",
    "GET / is a request",
    "Host: who is it tonight?",
    "host: me",
    "Hosting: fun",
    "TRACE of a bug",
    "options are good",
    "OPTIONS are good",
    "ssh-2 is a protocol",
    "SSH-agent does not start",
    "EHLO, everybody",
    "HELO everybody",
    "HELO my old friends",
    "PROXY is down",
    "PING?",
    "PING",
    "NICK is a great guy",
    "NICK rules!",
    "nick foo",
    "NICK: hello",
    "PASS me the salt",
    "USER error again",
    "USER error again and again",
    "CAP on, please",
    "CAP END the madness",
    "JOIN us",
    "NOTICE the time",
    "AUTHENTICATE yourself, please",
    "auth is broken",
    "AUTH is broken again",
    "HELLO everybody",
    "HELLO 3 people",
    "*1 reason",
    "*1",
    "*",
    "<?",
    "<?xml is ugly",
    "<3",
    "5",
    "0",
    "a1 login is broken",
    "set the table for 5",
    "CONNECT me",
    "/nick alice",
    "-1",
    "GCHAT is nice",
    "I typed GET / HTTP/1.1 and was kicked",
    "\x16",
    "\x10",
    "\x01\x01\x01",
    "\x1b[A",
    "h\0i\0",
    "утро",
    "€5",
]


@pytest.mark.parametrize("line", CHAT)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_people_say_is_chat(line: str, end: str) -> None:
    waits = (line, end) in {("*1", "\r\n"), ("*1", "\r"), ("\x10", "\r")}  # a program of Redis or MQTT would go on
    assert sniff(f"{line}{end}hello\n".encode()) is None
    assert verdict(f"{line}{end}".encode()) is (MORE if waits else None)
    assert sniff(f"{line}{end}".encode(), ended=True) is None
    assert sniff(line.encode(), ended=True) is None


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n", b"  \r\n\r\0"])
def test_an_opening_of_ours_is_not_foreign(before: bytes) -> None:
    assert verdict(before + b'GCHAT/1 {"token":"secret"}\n') is None
    assert sniff(before + b"GCHAT/1 " + b"x" * 1000 + b"\n") is None


@pytest.mark.parametrize("start", [b"-", b"-1", b"/", b"\xff", b"\xff\xfd\x03", "у".encode(), b"!", b"\x08"])
def test_what_no_protocol_begins_with_is_chat_at_once(start: bytes) -> None:
    assert sniff(start) is None


@pytest.mark.parametrize("start", [b"", b"\n", b"  ", b"\r\0", b"\xef\xbb", b"h", b"NICK", b"\x16", b"\x10", b"*1\r"])
def test_more_is_needed_while_it_can_be_either(start: bytes) -> None:
    assert sniff(start) is MORE
    assert sniff(start, ended=True) is None


def test_a_line_without_end_is_judged_by_its_first_bytes() -> None:
    assert sniff(b"x" * (MAX_START_BYTES - 1)) is MORE
    assert sniff(b"x" * MAX_START_BYTES) is None
    assert sniff(b"\n" * MAX_START_BYTES) is None


@pytest.mark.parametrize(
    ("protocol", "data"), [(name, data) for name, data in LINES + BINARY if name not in ("MQTT", "TLS")]
)
def test_the_answer_says_what_this_is_in_words_of_that_protocol(protocol: str, data: bytes) -> None:
    found = sniff(data)

    assert isinstance(found, Foreign)
    begins = {
        "HTTP": b"HTTP/1.1 400 Bad Request\r\n",
        "IRC": b"ERROR :",
        "Redis": b"-ERR ",
        "SMTP": b"554 ",
        "POP3": b"-ERR ",
        "IMAP": b"* BYE ",
        "RTSP": b"RTSP/1.0 400 ",
        "SIP": b"SIP/2.0 400 ",
        "PostgreSQL": b"E\x00\x00\x00",
    }.get(protocol, b"")
    assert found.answer.startswith(begins)
    assert THIS_IS.encode() in found.answer or not begins


def test_the_answer_to_http_is_whole() -> None:
    found = sniff(b"GET / HTTP/1.1\r\n")

    assert isinstance(found, Foreign)
    head, _, body = found.answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")
    assert b"admin page" in body


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=40), ended=...)
def test_any_bytes_get_a_verdict(data: bytes, ended: bool) -> None:
    found = sniff(data, ended=ended)

    assert found is None or isinstance(found, Foreign) or not ended
