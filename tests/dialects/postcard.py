"""A third dialect, to show that one is only a module: postcards. A card is lines of any number, then one with a dot.

A peer says first who it is, and which rooms it reads: `CARD/1 alice lobby dev`. The decoder has a state, the card so
far. A message takes several lines. Users who come are not shown; those who go, are away or have a new name are, once
in all rooms. Answers are addressed to their reader.
"""

from __future__ import annotations

import re
from textwrap import wrap
from typing import Any

from gchat.dialects.command_decoder import CommandDecoder
from gchat.dialects.dialect import RoomEvent, Traits
from gchat.dialects.lines import LineDecoder
from gchat.model import commands, events
from gchat.model.audience import Me, OwnLines, Where
from gchat.model.errors import Code, Refusal
from gchat.model.hello import Hello, WantedRoom
from gchat.model.messages import Acted, Message, Record, Said
from gchat.model.text import printable

HELLO = b"CARD/"

WIDTH = 12

traits = Traits("postcard", has_hello=True, one_line_each=False, presence_once=True)


def hello(start: bytes) -> tuple[Hello, bytes]:
    line, _, rest = start.partition(b"\n")
    if not (found := re.fullmatch(rb"CARD/1 (\w+)((?: \w+)*)\r?", line)):
        raise Refusal(Code.BAD_COMMAND, "Who are you?")
    rooms = tuple(WantedRoom(room) for room in found[2].decode().split())
    return Hello(nick=found[1].decode(), rooms=rooms or None, replay=10), rest


class decoder(CommandDecoder):  # noqa: N801  # see Dialect.decoder
    def __init__(self, max_text_bytes: int) -> None:
        super().__init__(LineDecoder(max_text_bytes))
        self._card: list[str] = []

    def _decode(self, lines: bytes) -> tuple[int, list[commands.Command]]:
        found: list[commands.Command] = []
        each = lines.split(b"\n")[:-1]
        for line in each:
            if line != b".":
                self._card.append(line.decode("utf-8", "replace"))
            elif self._card:
                found.append(commands.Say((" ".join(self._card),)))
                self._card = []
            else:
                found.append(commands.Quit())
        return len(each), found


def _card(title: str, text: str) -> bytes:
    return "".join(f"{line}\n" for line in (printable(title), *wrap(printable(text), WIDTH), ".")).encode()


def _texts(message: Message) -> list[str]:
    return list(message.texts) if isinstance(message, Said) else [message.text]


def encode(event: RoomEvent, where: Where) -> bytes:
    if isinstance(event, events.Page):
        return b"".join(encode(record, where) for record in event.records)
    if isinstance(event, events.Skipped):
        return _card("The post", f"lost cards {event.first}-{event.last}")
    if isinstance(event, events.Renamed):
        return _card("The post", f"{event.old} is {event.new}")
    if isinstance(event, events.Left):
        return _card("The post", f"{event.name} moved" if event.everywhere else f"{event.name} left {where.room}")
    if isinstance(event, events.Away):
        return _card("The post", f"{event.name} is {'away' if event.reason else 'back'}")
    if not isinstance(event, Record) or isinstance(event.message, Acted):
        return b""
    return b"".join(_card(f"{event.message.name} in {where.room}:", text) for text in _texts(event.message))


def answer(event: events.Answer, me: Me) -> OwnLines:
    words: dict[type, Any] = {
        events.Welcome: lambda: f"{event.online} have a letter box in {me.where.room}",  # type: ignore[union-attr]
        events.Refused: lambda: event.message,  # type: ignore[union-attr]
        events.Closing: lambda: event.message,  # type: ignore[union-attr]
    }
    return OwnLines(_card(f"Dear {me.name},", words[type(event)]()) if type(event) in words else b"")
