"""Letters: private messages to users of other nodes of a cluster, and what became of them.

They pass through the engine and are stored nowhere. A node that does not answer in time may have shown the message, or
not: its sender is not told that it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

import gevent
import msgspec
from gevent.event import AsyncResult
from msgspec import Struct

from gchat.chat.effects import Deliver
from gchat.chat.registry import Registry
from gchat.journal.journal import JournalError
from gchat.model.errors import Code
from gchat.model.events import Told
from gchat.server.logs import logger
from gchat.server.publication import Conveyed, Handed

#: For what became of a letter; as long as for what is said in a room.
ANSWER_S = 4.5


class PrivateLetter(Struct, frozen=True, tag=True, array_like=True):
    """A private message from the session `sender` to another one."""

    node: str  # the sender's
    number: int
    sender: int
    reader: int
    told: Told
    is_ignored: bool


class Receipt(Struct, frozen=True, tag=True, array_like=True):
    """What became of the letter with this number: why it was not shown, None if it was."""

    number: int
    why_not: tuple[Code, str] | None


class LettersPump(Protocol):
    """What letters need of the pump."""

    def submit(self, effects: Sequence[Handed | Conveyed]) -> None:
        """Have these carried out, after all that was submitted before."""


class Post(Protocol):
    """What carries letters: the link of this node."""

    node: str

    def send(self, node: str, data: bytes) -> bool:
        """Send a letter to a node; return whether it was there. Waits. Raises JournalError."""


_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], PrivateLetter | Receipt] = msgspec.msgpack.Decoder(PrivateLetter | Receipt).decode


class Letters:
    """The letters of one node. Implements OtherNodes."""

    def __init__(self, registry: Registry, pump: LettersPump, post: Post) -> None:
        self._registry = registry
        self._pump = pump
        self._post = post
        self._numbers = count(1)
        self._under_way: dict[int, AsyncResult[tuple[Code, str] | None]] = {}

    def name_of(self, session: int) -> str:
        """See OtherNodes.name_of."""
        user = self._registry.sessions.get(session)
        return "" if user is None else user.name

    def forward(self, effect: Deliver) -> bool:
        """See OtherNodes.forward."""
        reader = self._registry.sessions.get(effect.session)
        if reader is None or reader.node == self._post.node or not isinstance(effect.answer, Told):
            return False
        gevent.spawn(self._deliver, reader.node, effect, effect.answer)
        return True

    def letter(self, data: bytes) -> None:
        """Take a letter from another node. Never waits."""
        try:
            letter = _decode(data)
        except msgspec.DecodeError as error:
            logger.error("a letter from another node cannot be read: %(reason)s", {"reason": str(error)})
            return
        if isinstance(letter, Receipt):
            if (under_way := self._under_way.get(letter.number)) is not None:
                under_way.set(letter.why_not)
            return
        sender = self._registry.sessions.get(letter.sender)
        seat = None if sender is None else sender.seat
        effect = Deliver(letter.reader, letter.told, letter.sender, seat=seat, ignored=letter.is_ignored)
        self._pump.submit([Handed(effect, lambda why_not: self._acknowledge(letter, why_not))])

    def _deliver(self, node: str, effect: Deliver, told: Told) -> None:
        """Send a letter, and have its sender told what became of it."""
        assert effect.sender is not None
        number = next(self._numbers)
        under_way: AsyncResult[tuple[Code, str] | None] = AsyncResult()
        self._under_way[number] = under_way
        letter = PrivateLetter(self._post.node, number, effect.sender, effect.session, told, effect.ignored)
        try:
            if self._post.send(node, _encode(letter)):
                delivered = Conveyed(effect, under_way.get(timeout=ANSWER_S))
            else:
                delivered = Conveyed(
                    effect, (Code.NO_SUCH_USER, "Not sent: the recipient has just lost the connection")
                )
        except (JournalError, gevent.Timeout):
            delivered = Conveyed(effect, None, is_known=False)
        finally:
            del self._under_way[number]
        self._pump.submit([delivered])

    def _acknowledge(self, letter: PrivateLetter, why_not: tuple[Code, str] | None) -> None:
        gevent.spawn(self._send, letter.node, _encode(Receipt(letter.number, why_not)))

    def _send(self, node: str, data: bytes) -> None:
        try:
            self._post.send(node, data)
        except JournalError:
            pass  # the sender is not told that it was shown
