"""Inputs to begin with: files in corpus/, the samples that other tests have, and words that a target knows."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"

_STREAMS = HERE.parent / "wire"

#: Samples of other tests, by target.
_SAMPLES = {
    "framing": _STREAMS,
    "telnet": _STREAMS,
    "plain_commands": _STREAMS,
    "slashes": _STREAMS,
    "sniffed": _STREAMS,
    "shown": _STREAMS,
    "heads": HERE.parent / "admin" / "wire",
    "hooked": HERE.parent / "hooks" / "bodies",
}

_LINES = (b"\n", b"\r\n", b"\r\0", b"\r", b"\0", b"\xef\xbb\xbf", b"\x08", b"\x7f", b"\x15", b"-1", b"a", b"\xc3\xa9")
_TELNET = (
    b"\xff",
    b"\xff\xff",
    b"\xff\xfd\x01",
    b"\xff\xfb\x00",
    b"\xff\xfd\x06",
    b"\xff\xfa",
    b"\xff\xf0",
    b"\xff\xf4",
)
_SHOWN = (b"\x1b[31m", b"\xc2\x9b", b"\xe2\x80\xae", b"\xe2\x80\x8d", b"\xf0\x9f\x91\xa9", b"\xcc\x81", b"\xef\xbf\xbe")
_JSON = (
    b'{"type":"say","text":"a"}',
    b'"id":"1"',
    b'"room":"dev"',
    b'"after":{"epoch":"e","seq":3}',
    b"\\ud800",
    b"{",
    b"}",
)

_WORDS: dict[str, tuple[bytes, ...]] = {
    "framing": (*_LINES, *_TELNET),
    "telnet": _TELNET,
    "plain_commands": (*_LINES, *_TELNET, b"/who", b"//", b"/msg b c", b"GCHAT/1 {}", b"GET / HTTP/1.1"),
    "rich_requests": (*_LINES, *_JSON, b'"nick":"a"', b'"rooms":[', b'{"type":"topic"}', b"null", b"1e400"),
    "slashes": (*_LINES, *_SHOWN, b"/", b"\xef\xbc\x8f", b"/me a", b"/join a b", b"/history -1", b"/mode +k a"),
    "sniffed": (
        *_LINES,
        b"GET / HTTP/1.1",
        b"NICK a",
        b"SSH-2.0",
        b"EHLO a",
        b"\x16\x03\x01",
        b"*1\r\n$4",
        b"PROXY TCP4 ",
    ),
    "shown": (*_SHOWN, b"\n", b"\r\n", b"    | ", b"> ", b"         "),
    "heads": (
        b"GET / HTTP/1.1\r\n",
        b"Host: a\r\n",
        b"Content-Length: 1\r\n",
        b"Expect: 100-continue\r\n",
        b":",
        b"\t",
        b"#",
    ),
    "chunked": (
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\n",
        b"X: y\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b";a=b",
        b';a="\\""',
        b"0x",
        b" ",
        b"\t",
        b"00",
        b"GET / HTTP/1.1\r\n",
    ),
    "configuration": (
        b"[server]\n",
        b"[limits]\n",
        b"port = 1\n",
        b'host = "a"\n',
        b"burst = 1e3\n",
        b"inf",
        b'"""',
        b"\\u0000",
    ),
    "proxied": (
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\x21\x11\0\x0c",
        b"\x20\0\x05\x01",
        b"UNKNOWN",
    ),
    "hooked": (
        *_JSON,
        b'{"text":"a"}',
        b"payload=",
        b"%00",
        b"text=a",
        b'"alerts":[]',
        b'"attachments":[',
        b'"blocks":[',
    ),
}


def directories(target: str) -> list[Path]:
    """Return the directories with inputs for a target."""
    found = [CORPUS / target, *([_SAMPLES[target]] if target in _SAMPLES else [])]
    return [directory for directory in found if directory.is_dir()]


def seeds(target: str) -> list[bytes]:
    """Return the inputs for a target, those that were found by a run first."""
    return [path.read_bytes() for directory in directories(target) for path in sorted(directory.iterdir())]


def words(target: str) -> tuple[bytes, ...]:
    """Return what to put into inputs for a target."""
    return _WORDS[target]
