"""The action that a typed line stands for: a request to the server, or lines to show. Pure.

The commands are those of gchat.dialects.slash; sending and showing is for the terminal and the pipe.
"""

from __future__ import annotations

from msgspec import Struct

from gchat.dialects import slash
from gchat.dialects.rich_requests import AnyRequest, TellRequest, request_of
from gchat.model import commands, sentences


class Show(Struct, frozen=True):
    """Lines for the person at the keyboard; the server is not asked anything."""

    lines: tuple[str, ...]


IN_ONE_LINE = "Here a secret is typed in the line of its command; gchat-client on a terminal asks for it unseen"

#: Of these the server is not asked either: see gchat.client.ignored.
Ignoring = commands.Ignore | commands.Unignore

Action = AnyRequest | Show | Ignoring


def action_of(line: str, reply_to: str = "") -> Action | None:
    """Return what a line asks, None if it is blank. `reply_to` is the sender of the last private message."""
    return action_for(slash.parse(line), reply_to)


def action_for(command: commands.Command | None, reply_to: str) -> Action | None:
    """Return the same for a line that was parsed."""
    match command:
        case None:
            return None
        case commands.Reply(text):
            return TellRequest(to=reply_to, text=text) if reply_to else Show((sentences.NOBODY_TO_ANSWER,))
        case commands.Help(name):
            return Show(tuple(slash.help_lines(name)))
        case commands.AskSecret():
            return Show((IN_ONE_LINE,))
        case commands.Mistake(refusal):
            return Show((refusal.message,))
        case commands.Ignore() | commands.Unignore() as command:
            return command
        case command:
            return request_of(command)
