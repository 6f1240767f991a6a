"""Several lines at once, from a paste: what is asked before they are sent, and what is sent. Pure."""

from __future__ import annotations

import re

from gchat.client.input import MANY_LINES, Action, parse
from gchat.protocol import wire
from gchat.protocol.text import printable

#: The commands that say something, with what stands before their text: each further line of a paste can follow it.
_SPEAKS = re.compile(
    r"[\s\u200b\u2060\ufeff]*[/／](msg\s+(?P<name>\S+)|reply|me)(?:\s+(?P<text>.*))?\Z", re.IGNORECASE | re.DOTALL
)


def is_command(line: str) -> bool:
    """Return whether the first visible character of `line` is a slash, and not of two that stand for one."""
    visible = printable(line).lstrip().replace("／", "/")
    return visible.startswith("/") and not visible.startswith("//")


def expanded(lines: list[str]) -> list[str]:
    """Return `lines` with the command of the first one before each, if it is one that says something."""
    head, texts = _spoken(lines)
    return [f"{head} {text}" for text in texts] if head else lines


def question(lines: list[str], *, unread: bool = False, runs: bool = False) -> str:
    """Return what to ask before `lines` are sent; "" if nothing.

    `unread` is true if nobody can have looked at them, `runs` if those that are commands are run.
    """
    if len(lines) == 1:
        return ""
    head, texts = _spoken(lines)
    count = f"{len(texts):,} line{'' if len(texts) == 1 else 's'}"
    if head:
        return f"Send {count} with {printable(head)}? (y/n)"
    if any(map(is_command, lines)):
        how = "and run the commands in them" if runs else "as text, without running the commands in them"
        return f"Send these {count} {how}? (y/n)"
    return f"Send these {count}? (y/n)" if unread or len(lines) > MANY_LINES else ""


def actions(lines: list[str], reply_to: str) -> list[Action | None]:
    """Return what `lines` ask of the server: one may be a command, several are said."""
    if len(lines) > 1 and not _spoken(lines)[0]:
        return [wire.Say(text=line) for line in lines]
    return [parse(line, reply_to) for line in expanded(lines)]


def _spoken(lines: list[str]) -> tuple[str, list[str]]:
    """Return the command that all of `lines` follow, and their texts; no command if there is none."""
    found = _SPEAKS.match(lines[0]) if len(lines) > 1 and is_command(lines[0]) else None
    if found is None:
        return "", lines
    head = " ".join(found[1].split())
    return f"/{head}", [text for text in (found["text"] or "", *lines[1:]) if text.strip()]
