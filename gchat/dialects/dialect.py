"""The interface of a dialect: bytes to commands, events to bytes. Only its own module knows how it looks."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from gchat.dialects.sniff import Foreign
from gchat.model.audience import Me, OwnLines, Where
from gchat.model.commands import Command
from gchat.model.events import Answer, Movement, Page, RoomNotice, Skipped
from gchat.model.hello import Hello
from gchat.model.messages import Record

#: What all who read a room are told, in its log or on their way to it.
RoomEvent = Record | Movement | RoomNotice | Skipped | Page


class Traits(Struct, frozen=True):
    """The traits of a dialect that others have to know; all else is in its decoder and in what it writes."""

    name: str  # for the operator
    has_hello: bool = False  # whether a peer says who it is before it is let in
    is_typed: bool = False  # whether what a user sends stands on the same screen: Enter begins a new line there
    one_line_each: bool = True  # whether each of several messages is one line; else they are encoded one by one
    presence_once: bool = False  # whether it is told singly, not of crowds, and once of what is told in several rooms


class LateHello(Struct, frozen=True):
    """A peer that was greeted begins with the hello of another dialect: what it has sent, from there on."""

    heard: bytes


class Goodbye(Struct, frozen=True):
    """A peer has said that it leaves, in another way than by a command."""


Outcome = Foreign | LateHello | Goodbye


class Decoder(Protocol):
    """Turns what one peer sends into commands, as fast as it is asked to. It has the state of the connection.

    The reader's loop is: `take` what was received, and again while `waiting`; each time send `replies`, and then carry
    out what was taken; at last look at `outcome`. At the end of the stream `end`, and the same again.
    """

    is_settled: bool  # whether none of the following is so, as mostly: what comes next stands by itself
    waiting: bool  # whether take() has more to say
    replies: bytes  # what the peer's program is to be answered, until it is sent
    may_be_goodbye: bool  # whether what stands unterminated is a Goodbye if nothing follows it for a moment
    outcome: Outcome | None  # why this decoder has nothing more to say, when everything is taken

    def end(self) -> None:
        """Note that no more will come: what stands unterminated is heard too."""

    def take(self, limit: int, data: bytes = b"") -> tuple[int, list[Command]]:
        """Return how many lines to pay for, and the commands in the next lines, at most `limit`, in order.

        `data` is what was received since. Everything before must have been taken then: that bounds the memory.

        What makes no sense is a Mistake in its place. Raises LineTooLong in the place of a line that is too long, and
        LineEndless when the peer never ends one.
        """


class Dialect(Protocol):
    """A way to write commands and events. It has no state; it is hashable, as a key of room logs. A module can be one.

    Everything that it writes is fit to be sent (text.printable).
    """

    traits: Traits

    def hello(self, start: bytes) -> tuple[Hello | None, bytes]:
        """Return the hello that a stream starts with, if the dialect has one, and the bytes after it.

        Raises Refusal for one that is invalid.
        """

    def decoder(self, max_text_bytes: int) -> Decoder:
        """Return a decoder for a new connection, which refuses texts that are longer."""

    def encode(self, event: RoomEvent, where: Where) -> bytes:
        """Return `event` for all readers of a room log: they share these bytes. b"" if it is not shown here.

        A reader may be cut off and told of a skip between two messages, never in one.
        """

    def answer(self, event: Answer, me: Me) -> OwnLines:
        """Return `event` for one reader."""
