"""Bodies of Slack's incoming webhooks, which Mattermost, Rocket.Chat and many programs send too.

Shown are the text, else the blocks, and then each attachment: its pretext, title, text and fields, else its fallback.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gchat.hooks.fitting import listed
from gchat.hooks.loose_json import at, objects, text

#: Attachments, and fields of each, that are shown.
MAX_ATTACHMENTS, MAX_FIELDS = 10, 20

#: Parts of blocks that are looked at: they are nested, and made by machines.
MAX_PARTS = 200

_LINK = re.compile(r"<((?:[@#!]|[a-z][a-z0-9+.\-]*:)[^<>|\n]+)(?:\|([^<>\n]*))?>")


def lines_of(body: Any) -> list[str]:
    """Return the lines to show; none if there is nothing."""
    said = text(body, "text")
    lines = [readable(said)] if said else [readable(part) for part in _of_blocks(at(body, "blocks"))]
    for attachment in objects(body, "attachments")[:MAX_ATTACHMENTS]:
        lines += _of_attachment(attachment)
    return [line for line in lines if line]


def name_of(body: Any) -> str:
    """Return the name that the sender wants to be shown; "" if it has none."""
    return text(body, "username")


def readable(said: str) -> str:
    """Return a text of Slack as people read it: <https://a|b> is b (https://a), <!here> is @here, &lt; is <."""
    return _LINK.sub(_link, said).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _link(match: re.Match[str]) -> str:
    target, shown = match[1], match[2] or ""
    if target[0] in "@#!":
        sign, name = ("@", target[1:]) if target[0] == "!" else (target[0], target[1:])
        if target[0] == "!" and "^" in name:  # <!date^1392734382^{date}|the 18th>, <!subteam^S123|@ops>
            return shown or name.partition("^")[0]
        return sign + (shown or name).removeprefix(sign)
    target = target.removeprefix("mailto:") if shown else target
    return target if not shown or shown == target else f"{shown} ({target})"


def _of_attachment(attachment: dict[str, Any]) -> list[str]:
    title, link = text(attachment, "title"), text(attachment, "title_link")
    fields = [
        f"{name}: {value}" if name and value else name or value
        for name, value in ((text(field, "title"), text(field, "value")) for field in objects(attachment, "fields"))
    ]
    lines = [
        text(attachment, "pretext"),
        f"{title} ({link})" if title and link else title,
        text(attachment, "text"),
        *listed(fields, MAX_FIELDS),
        *([] if text(attachment, "text") else _of_blocks(at(attachment, "blocks"))),
    ]
    return [readable(line) for line in lines if line] or [readable(text(attachment, "fallback"))]


def _of_blocks(blocks: Any) -> list[str]:
    """Return the texts of blocks, in their order; the parts of one rich text are one line."""
    lines = []
    for block in objects({"blocks": blocks}, "blocks")[:MAX_PARTS]:
        parts = list(_parts(block))
        lines.append(("" if text(block, "type").startswith("rich_text") else "\n").join(parts))
    return lines


def _parts(block: dict[str, Any]) -> Iterator[str]:
    """Return the texts in a block, without recursion: a stranger decides how deep it is."""
    waiting: list[Any] = [block]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        if isinstance(part, str):
            yield part
            continue
        inner: list[Any] = []
        for key in ("text", "fields", "elements"):
            found = at(part, key)
            inner += found if isinstance(found, list) else [found] if isinstance(found, str | dict) else []
        if text(part, "type") == "link" and not text(part, "text"):
            inner.append(text(part, "url"))
        waiting += reversed(inner)
