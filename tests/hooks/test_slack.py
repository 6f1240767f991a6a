"""Slack's bodies: the text as people read it."""

from __future__ import annotations

import pytest

from gchat.hooks.slack import lines_of, name_of, readable


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<https://example.org|here>", "here (https://example.org)"),
        ("<https://example.org>", "https://example.org"),
        ("<https://example.org|https://example.org>", "https://example.org"),
        ("<https://example.org|>", "https://example.org"),
        ("<!channel> <!here|here> <!subteam^S123|@ops>", "@channel @here @ops"),
        ("<!date^1392734382^{date}|the 18th>", "the 18th"),
        ("<@U1> <#C1|dev>", "@U1 #dev"),
        ("1 < 2 > 0, <>, <|x>", "1 < 2 > 0, <>, <|x>"),
        ("&lt;b&gt; &amp;amp;", "<b> &amp;"),
        ("[link](https://example.org) is of Mattermost", "[link](https://example.org) is of Mattermost"),
    ],
)
def test_marks_are_made_readable(written: str, read: str) -> None:
    assert readable(written) == read


# https://github.com/StackStorm/hubot-stackstorm/issues/78 and https://github.com/riemann/riemann/pull/667 said
# "NO FALLBACK DEFINED" for an attachment without one.
def test_an_attachment_needs_no_fallback() -> None:
    assert lines_of({"attachments": [{"title": "Down", "fields": [{"title": "Host", "value": "web1"}]}]}) == [
        "Down",
        "Host: web1",
    ]


def test_attachments_and_fields_are_bounded() -> None:
    fields = [{"title": str(n), "value": "x"} for n in range(30)]
    lines = lines_of({"text": "many", "attachments": [{"fields": fields}] * 40})
    assert len(lines) == 1 + 10 * 21
    assert lines[-1] == "and 10 more"


def test_blocks_are_read_however_deep_they_are() -> None:
    deep: object = {"type": "text", "text": "deep"}
    for _ in range(150):
        deep = {"type": "rich_text_section", "elements": [deep]}
    assert lines_of({"blocks": [{"type": "rich_text", "elements": [deep]}]}) == ["deep"]


def test_the_name_may_be_of_any_type() -> None:
    assert name_of({"username": "bot"}) == "bot"
    assert name_of({"username": ["bot"]}) == ""
    assert name_of([]) == ""
