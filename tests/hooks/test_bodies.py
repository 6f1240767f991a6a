"""Bodies as programs send them: each file in bodies/ becomes the message in the file .out beside it.

A file is called FORMAT.WHAT.json, or github.EVENT.WHAT.json; what is sent as a form ends in .form. In the message a
name that the sender has chosen stands before a |.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gchat.hooks.bodies import FORM, JSON, BadBody, Posted, heard, spoken
from gchat.hooks.message import HookMessage

FILES = sorted(path for path in Path(__file__).with_name("bodies").iterdir() if path.suffix != ".out")


def posted(path: Path) -> Posted:
    format_, event, *_ = path.name.split(".")
    kind = FORM if path.suffix == ".form" else JSON
    return Posted(path.read_bytes(), kind, event if format_ == "github" else "")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_body_becomes_the_message_that_people_read(path: Path) -> None:
    message = heard(posted(path))
    shown = "" if message is None else f"{message.name}{'|' if message.name else ''}{message.text}\n"
    assert shown == path.with_suffix(".out").read_text()


def test_a_body_of_github_may_be_a_form() -> None:
    body = (Path(__file__).parent / "bodies" / "github.ping.of-a-repository.json").read_text()
    form = Posted(f"payload={quote_plus(body)}".encode(), FORM, "ping")
    assert heard(form) == HookMessage("example/hello-world: the webhook works: Avoid administrative distraction.")


@pytest.mark.parametrize("kind", ["text/plain", "", FORM, "application/octet-stream", "text/plain; charset=utf-8"])
def test_plain_text_is_said_as_it_is(kind: str) -> None:
    body = "backup: done, x=1 & y=2\nsecond line — 100 %"
    assert heard(Posted(body.encode(), kind)) == HookMessage(body)


# curl -d calls everything a form, so that what it sends is looked at.
@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"text":"as curl -d sends it"}', "as curl -d sends it"),
        (b"text=hello+world&from=ci", "hello world"),
        (b"text=100%25+of+100%", "100% of 100%"),
        (b"text=load is 100% & \xc3\xa9", "load is 100% & \u00e9"),
        (b"hello", "hello"),
        (b"a=b", "a=b"),
        (b"build=ok in 3 s", "build=ok in 3 s"),
        (b"text = x", "text = x"),
        (b"100%", "100%"),
        (b'payload={"text": "not encoded & with a space"}', "not encoded & with a space"),
        (b"", ""),
    ],
)
def test_what_curl_sends_is_a_form_only_if_it_is_one(body: bytes, said: str) -> None:
    message = heard(Posted(body, FORM))
    assert message
    assert message.text == said


def test_a_title_stands_before_the_text() -> None:
    assert spoken(Posted(b"done", "text/plain", title="Backup")).text == "Backup: done"
    assert spoken(Posted(b"a\nb", "text/plain", title="Backup")).text == "Backup\na\nb"
    # https://github.com/binwiederhier/ntfy/issues/608 and https://github.com/activepieces/activepieces/issues/3529:
    # a title that is not ASCII comes as UTF-8, which HTTP calls Latin-1, or encoded as in mail.
    assert spoken(Posted(b"x", title="é".encode().decode("latin-1"))).text == "é: x"
    assert spoken(Posted(b"x", title="=?UTF-8?B?8J+HqfCfh6o=?=")).text == "🇩🇪: x"
    assert spoken(Posted(b"x", title="=?nonsense?B?8J+H?=")).text == "=?nonsense?B?8J+H?=: x"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not JSON"),
        (b'{"text":"\xff"}', "not UTF-8"),
        (b"[" * 5_000, "nested too deeply"),
        (b"[" * 100_000, "too many values"),
        (b'{"a":[0' + b",0" * 40_000 + b"]}", "too many values; at most 30,000"),
        (b"{}", "nothing to say"),
        (b'{"text":""}', "nothing to say"),
        (b'{"text":null,"attachments":null,"blocks":[{"type":"divider"},3,null]}', "nothing to say"),
        (b"null", "nothing to say"),
        (b"[1,2]", "nothing to say"),
        (b'{"attachments":[{"color":"good"}]}', "nothing to say"),
    ],
)
def test_what_cannot_be_understood_is_one_line(body: bytes, why: str) -> None:
    with pytest.raises(BadBody, match=why) as raised:
        heard(Posted(body, JSON))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".json"], ids=lambda path: path.stem)
def test_no_field_must_be_there_or_be_what_it_should_be(path: Path) -> None:
    whole = json.loads(path.read_text())

    def variants(value: object, put: object) -> list[object]:
        found: list[object] = [put]
        if isinstance(value, dict):
            found += [{**value, key: each} for key, inner in value.items() for each in variants(inner, put)]
            found += [{name: value[name] for name in value if name != key} for key in value]
        if isinstance(value, list) and value:
            found += [[each, *value[1:]] for each in variants(value[0], put)]
        return found

    puts: list[object] = [None, 7, "x", [None], {"a": []}, True]
    for put in puts:
        for variant in variants(whole, put):
            try:
                message = heard(Posted(json.dumps(variant).encode(), JSON, posted(path).github_event))
            except BadBody:
                continue
            assert message is None or isinstance(message.text, str)


# What takes long holds everybody up (docs/threats.md, T74): in a megabyte of any of these there is little to do.
@pytest.mark.parametrize(
    "body",
    [
        b'{"alerts":[' + b"{}," * 9_000 + b"{}]}",
        b'{"commits":[' + b"{}," * 9_000 + b'{}],"ref":"refs/heads/x"}',
        b'{"attachments":[' + b"{}," * 9_000 + b'{}],"text":"x"}',
        b'{"text":"' + b"<a:b|c>" * 140_000 + b'"}',
        b'{"text":"' + b"<a:" * 340_000 + b'"}',
        b'{"text":"' + b"\\n" * 500_000 + b'x"}',
    ],
)
def test_large_bodies_are_looked_at_in_part(body: bytes) -> None:
    message = heard(Posted(body, JSON, "push" if b"commits" in body else ""))
    assert message
    assert len(message.text) < 300_000


@given(st.text())
def test_a_form_is_read_as_others_read_it(text: str) -> None:
    form = urlencode({"text": text, "from": "a&b=c%"})
    message = heard(Posted(form.encode(), FORM))
    assert message
    assert (message.text, message.name) == (text or form, "a&b=c%" if text else message.name)


def test_of_a_form_only_some_fields_are_looked_at() -> None:
    body = b"text=a%C3%A9+b&" + b"&".join([b"x=y"] * 100_000)
    assert heard(Posted(body, FORM)) == HookMessage("aé b")
    late = b"&".join([b"x=y"] * 100) + b"&text=late"
    assert heard(Posted(late, FORM)) == HookMessage(late.decode())


@given(
    st.binary(max_size=300) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr),
    st.sampled_from([JSON, FORM, "", "text/plain", "x/y; charset=utf-16"]),
    st.sampled_from(["", "push", "issues", "workflow_run", "pull_request", "ping", "x"]),
)
def test_no_body_does_harm(body: bytes | str, kind: str, event: str) -> None:
    try:
        message = heard(Posted(body if isinstance(body, bytes) else body.encode("utf-8", "replace"), kind, event, "é"))
    except BadBody:
        return
    assert message is None or message.text.encode("utf-8", "replace") is not None


# Found by tests.fuzz: a charset that is not even ASCII.
def test_a_title_that_is_encoded_in_nothing_known_is_shown_as_it_came() -> None:
    assert heard(Posted(b"done", "text/plain", title="=?u\x8ff-8?q?a?=")) == HookMessage("=?u\ufffdf-8?q?a?=: done")
