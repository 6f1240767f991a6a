"""Bodies as programs send them: each file in bodies/ becomes the message in the file .out beside it.

A file is called FORMAT.WHAT.json, or github.EVENT.WHAT.json; what is sent as a form ends in .form. In the message a
name that the sender has chosen stands before a |.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from gchat.hooks.bodies import FORM, JSON, BadBody, HookMessage, Posted, heard, spoken

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
        (b"[" * 100_000, "nested too deeply"),
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
