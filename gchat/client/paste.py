"""Several lines at once: the question before they are sent, and what is sent: one message, or one for each. Pure."""

from __future__ import annotations

from msgspec import Struct, structs

from gchat.client.action import Action, action_for, action_of
from gchat.dialects import slash
from gchat.dialects.rich_requests import ActRequest, SayRequest, TellRequest
from gchat.model import commands
from gchat.model.text import MAX_LINES, is_blank, printable

#: More lines than this at once are sent only after a question: a paste is a mistake more often than not.
MANY_LINES = 5


class Question(Struct, frozen=True):
    """What a user is asked before lines are sent; the answer may be that each is to be a message, if `or_apart`."""

    text: str
    or_apart: bool = False

    def __str__(self) -> str:
        return f"{self.text} (y/n{', l: line by line' if self.or_apart else ''})"


def whole_lines(text: str) -> list[str]:
    """Return the lines of a draft or a paste from the first to the last in which something is visible."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    seen = [number for number, line in enumerate(lines) if not is_blank(line)]
    return lines[seen[0] : seen[-1] + 1] if seen else []


def visible_lines(text: str) -> list[str]:
    """Return the lines in which something is visible."""
    return [line for line in whole_lines(text) if not is_blank(line)]


def expanded(lines: list[str]) -> list[str]:
    """Return `lines`; if the first one is a command that sends a text, with that command before each."""
    head, texts = _spoken(lines)
    return [f"{head} {text}" for text in texts] if head else lines


def question(lines: list[str], *, unread: bool = False, runs: bool = False, together: bool = False) -> Question | None:
    """Return the question before `lines` are sent, each by itself or `together`; None if none is needed.

    `unread` is true if the user has not seen them, `runs` if the commands in them will be run.
    """
    if len(lines) == 1:
        return None
    head, texts = _spoken(lines)
    count = f"{len(texts):,} line{'' if len(texts) == 1 else 's'}"
    if not head and any(map(_is_command, lines)):
        how = "and run the commands in them" if runs else "as text, without running the commands in them"
        return Question(f"Send these {count} {how}?", or_apart=together)
    if not (unread or len(texts) > MANY_LINES or (head and not together)):
        return None
    what = f"Send {'' if head else 'these '}{count}{' as one message' if together else ''}"
    return Question(what + (f" with {printable(head)}?" if head else "?"), or_apart=together)


def as_one(text: str, reply_to: str, max_bytes: int) -> Action | None:
    """Return what a text of several lines asks as one message; None if it is too long, or has too many lines, for one.

    A command that sends a text, on the first line, sends all of it.
    """
    first, *further = whole_lines(text)
    command = slash.parse(f"{first} text") if _head(first) else None
    if isinstance(command, commands.Tell | commands.Reply | commands.Act):
        body = "\n".join([*_texts(first), *further]).lstrip("\n")
        action = action_for(structs.replace(command, text=body), reply_to)
    else:
        said = slash.parse(first)
        action = SayRequest(text="\n".join([said.texts[0] if isinstance(said, commands.Say) else first, *further]))
    if isinstance(action, SayRequest | ActRequest | TellRequest):
        lines, size = action.text.count("\n") + 1, len(action.text.encode("utf-8", "surrogatepass"))
        return action if lines <= MAX_LINES and size <= max_bytes else None
    return action


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
    return head, [text for text in (*_texts(lines[0]), *lines[1:]) if not is_blank(text)]


def _texts(line: str) -> list[str]:
    """Return the text of a command that sends one, if it has one."""
    command = slash.parse(line)
    return [command.text] if isinstance(command, commands.Tell | commands.Reply | commands.Act) else []


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
