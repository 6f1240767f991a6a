"""Several lines at once, from a paste: the question before they are sent, and what is sent. Pure."""

from __future__ import annotations

from gchat.client.action import Action, action_of
from gchat.dialects import slash
from gchat.dialects.rich_requests import SayRequest
from gchat.model import commands
from gchat.model.text import is_blank, printable

#: More lines than this at once are sent only after a question: a paste is a mistake more often than not.
MANY_LINES = 5


def visible_lines(text: str) -> list[str]:
    """Return the lines of a draft or a paste in which something is visible."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if not is_blank(line)]


def expanded(lines: list[str]) -> list[str]:
    """Return `lines`; if the first one is a command that sends a text, with that command before each."""
    head, texts = _spoken(lines)
    return [f"{head} {text}" for text in texts] if head else lines


def question(lines: list[str], *, unread: bool = False, runs: bool = False) -> str:
    """Return the question before `lines` are sent, "" if none is needed.

    `unread` is true if the user has not seen them, `runs` if the commands in them will be run.
    """
    if len(lines) == 1:
        return ""
    head, texts = _spoken(lines)
    count = f"{len(texts):,} line{'' if len(texts) == 1 else 's'}"
    if head:
        return f"Send {count} with {printable(head)}? (y/n)"
    if any(map(_is_command, lines)):
        how = "and run the commands in them" if runs else "as text, without running the commands in them"
        return f"Send these {count} {how}? (y/n)"
    return f"Send these {count}? (y/n)" if unread or len(lines) > MANY_LINES else ""


def actions(lines: list[str], reply_to: str) -> list[Action | None]:
    """Return the requests for `lines`: one line may be a command, several are text."""
    if len(lines) > 1 and not _spoken(lines)[0]:
        return [SayRequest(text=line) for line in lines]
    return [action_of(line, reply_to) for line in expanded(lines)]


def _is_command(line: str) -> bool:
    return not isinstance(slash.parse(line), commands.Say | None)


def _spoken(lines: list[str]) -> tuple[str, list[str]]:
    """Return the command that applies to all of `lines`, "" if none does, and their texts."""
    head = _head(lines[0]) if len(lines) > 1 else ""
    if not head:
        return "", lines
    first = slash.parse(lines[0])
    texts = [first.text] if isinstance(first, commands.Tell | commands.Reply | commands.Act) else []
    return head, [text for text in (*texts, *lines[1:]) if not is_blank(text)]


def _head(line: str) -> str:
    """Return the part before the text if `line` is a command that sends a text, else ""."""
    match slash.parse(f"{line} text"):
        case commands.Tell() as command:
            return f"/msg {command.to}"
        case commands.Reply():
            return "/reply"
        case commands.Act():
            return "/me"
    return ""
