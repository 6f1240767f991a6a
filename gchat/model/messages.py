"""Messages: what the journal numbers and keeps, as frozen values."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct


class Said(Struct, frozen=True, gc=False):
    """Consecutive messages of one user that came in one read; mostly it is one. A text of several lines is alone."""

    name: str
    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()  # of each, chosen by the sender; empty if none has one

    @property
    def count(self) -> int:
        """How many numbers the messages take."""
        return len(self.texts)

    @property
    def size(self) -> int:
        """The length of the text, in characters."""
        return len("".join(self.texts))  # cheaper than the sum, which makes a number of each


class _OneText(Struct, frozen=True, gc=False):
    """A message that is one text with one number."""

    name: str
    text: str
    id: str = ""
    count: int = 1

    @property
    def size(self) -> int:
        """The length of the text, in characters."""
        return len(self.text)


class Acted(_OneText, frozen=True, gc=False):
    """An action of a user: /me."""


class TopicSet(_OneText, frozen=True, gc=False):
    """A user set the room's topic, or cleared it if the text is ""."""


Message = Said | Acted | TopicSet


class Record(Struct, frozen=True, gc=False):
    """A message as the journal stores it: it has the numbers from `seq` to `seq + message.count - 1`."""

    seq: int
    time: float  # seconds since the epoch, of the wall clock
    message: Message

    def each(self, *, last_first: bool = False) -> Iterator[Record]:
        """Return the same as records of one message each, made when they are asked for."""
        message = self.message
        if not isinstance(message, Said) or message.count == 1:
            yield self
            return
        places = range(message.count)
        for at in reversed(places) if last_first else places:
            id_ = message.ids[at] if message.ids else ""
            yield Record(self.seq + at, self.time, Said(message.name, (message.texts[at],), (id_,) if id_ else ()))


class Numbered(Struct, frozen=True, gc=False):
    """The number of the message with an id. A request that is not a message has no room and no number."""

    id: str
    room: str = ""
    seq: int | None = None
