"""Letters: private messages and invitations to users of other nodes of a cluster, and what became of them.

They pass through the engine and are stored nowhere. A letter waits until its reader's node has heard what its sender's
had: it comes behind what was said before it. A node that does not answer in time may have shown the message, or
not: its sender is not told that it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, Protocol

import gevent
import msgspec
from gevent.event import AsyncResult
from msgspec import Struct

from gchat.chat.effects import Deliver
from gchat.chat.registry import Registry
from gchat.journal.journal import JournalError
from gchat.model.errors import Code
from gchat.model.events import Invited, Told
from gchat.server.logs import logger
from gchat.server.publication import Conveyed, Handed

#: For what became of a letter; as long as for what is said in a room.
ANSWER_S = 4.5

#: Letters with an id that are remembered as shown, because they may be sent again.
MAX_REMEMBERED = 10_000

#: Between two looks whether what comes before a letter is heard.
HEARD_S = 0.002


class PrivateLetter(Struct, frozen=True, tag=True, array_like=True):
    """A private message from the session `sender` to another one, or an invitation: one of the two."""

    node: str  # the sender's
    number: int
    sender: int
    reader: int
    told: Told | None
    invited: Invited | None
    is_ignored: bool
    id: str  # the sender's; "" if it has none
    heard: int  # the feed's entry that the sender's node had heard last


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

    @property
    def heard(self) -> int:
        """The number of the feed's entry that was heard last."""

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
        self._shown: dict[tuple[str, str], None] = {}  # by sender and id, the oldest first
        self._under_way: dict[int, AsyncResult[tuple[Code, str] | None]] = {}
        self._delivering: dict[int, gevent.Greenlet[Any, None]] = {}  # the last letter of each sender

    def name_of(self, session: int) -> str:
        """See OtherNodes.name_of."""
        user = self._registry.sessions.get(session)
        return "" if user is None else user.name

    def forward(self, effect: Deliver) -> bool:
        """See OtherNodes.forward."""
        reader = self._registry.sessions.get(effect.session)
        if reader is None or reader.node == self._post.node or not isinstance(effect.answer, Told | Invited):
            return False
        assert effect.sender is not None
        self._delivering[effect.sender] = gevent.spawn(self._deliver, reader.node, effect, effect.answer)
        return True

    def wait_delivered(self, sender: int) -> None:
        """Wait until it is submitted what became of the letters of this user."""
        if (delivering := self._delivering.get(sender)) is not None:
            delivering.join()

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
        if letter.heard <= self._post.heard:
            self._hand(letter)
        else:
            gevent.spawn(self._hand_later, letter)

    def _hand_later(self, letter: PrivateLetter) -> None:
        until = time.monotonic() + ANSWER_S
        while letter.heard > self._post.heard and time.monotonic() < until:
            gevent.sleep(HEARD_S)
        if letter.heard <= self._post.heard:  # else its sender has been told that nothing is known
            self._hand(letter)

    def _hand(self, letter: PrivateLetter) -> None:
        sessions = self._registry.sessions
        sender, reader = sessions.get(letter.sender), sessions.get(letter.reader)
        # The reader may have been told of it before the sender's node had heard that the sender is ignored, or no more.
        is_ignored = letter.is_ignored if sender is None or reader is None else reader.ignores(sender)
        shown = letter.told or letter.invited
        assert shown is not None
        seat = None if sender is None or letter.told is None else sender.seat
        key = ("" if sender is None else sender.identity) or str(letter.sender), letter.id
        if letter.id and key in self._shown:  # the receipt was lost, and it is sent again
            self._acknowledge(letter, None)
            return
        effect = Deliver(letter.reader, shown, letter.sender, seat=seat, ignored=is_ignored)
        self._pump.submit([Handed(effect, lambda why_not: self._handed(letter, key, why_not))])

    def _handed(self, letter: PrivateLetter, key: tuple[str, str], why_not: tuple[Code, str] | None) -> None:
        if letter.id and why_not is None:
            self._shown[key] = None
            if len(self._shown) > MAX_REMEMBERED:
                del self._shown[next(iter(self._shown))]
        self._acknowledge(letter, why_not)

    def _deliver(self, node: str, effect: Deliver, shown: Told | Invited) -> None:
        """Send a letter, and have its sender told what became of it."""
        assert effect.sender is not None
        number = next(self._numbers)
        under_way: AsyncResult[tuple[Code, str] | None] = AsyncResult()
        self._under_way[number] = under_way
        told, invited = (shown, None) if isinstance(shown, Told) else (None, shown)
        about = (effect.sender, effect.session, told, invited, effect.ignored, effect.id)
        letter = PrivateLetter(self._post.node, number, *about, heard=self._post.heard)
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
        if self._delivering.get(effect.sender) is gevent.getcurrent():
            del self._delivering[effect.sender]

    def _acknowledge(self, letter: PrivateLetter, why_not: tuple[Code, str] | None) -> None:
        gevent.spawn(self._send, letter.node, _encode(Receipt(letter.number, why_not)))

    def _send(self, node: str, data: bytes) -> None:
        try:
            self._post.send(node, data)
        except JournalError:
            pass  # the sender is not told that it was shown
