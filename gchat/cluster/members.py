"""What nodes share beside messages: to whom the journal tells it, and what stands in where nobody wants to know."""

from __future__ import annotations

from typing import Protocol

from gchat.cluster.room_streams import AskedEngine
from gchat.model.events import TopicIs


class Members(Protocol):
    """What a shared journal tells of all that is not a message: to the core of a node, which all nodes have alike."""

    def happened(self, step: bytes, cause: object | None) -> None:
        """Take a step, in its order; with the cause of it if this node put it."""

    def gone(self, node: str) -> None:
        """Take that a node is gone."""

    def topic_set(self, room: str, topic: TopicIs) -> None:
        """Take what the topic of a room is now, whether it is open here or not."""

    def find_place(self, base: str) -> int:
        """Return the number of the feed's entry behind which steps are to be taken. Waits. Raises JournalError.

        The open rooms have been brought up to date.
        """

    def refused(self, cause: object, why: str) -> None:
        """Take that a step was not carried out, and never will be."""

    def not_known(self, cause: object) -> None:
        """Take that a step may or may not have been carried out; what became of it may come later."""

    def lost(self, room: str, count: int, first: int, last: int) -> None:
        """Have the pump carry out Rebased, behind all that was delivered: see that effect."""

    def unable(self, why: str) -> None:
        """Take why nothing can be stored; "": it can again."""

    def letter(self, data: bytes) -> None:
        """Take what another node has sent to this one."""


class MessagesOnly:
    """Members of which there are none: the feed is followed from where it is, and steps mean nothing."""

    def __init__(self, journal: AskedEngine) -> None:
        self._journal = journal

    def happened(self, step: bytes, cause: object | None) -> None:
        """See Members.happened."""

    def gone(self, node: str) -> None:
        """See Members.gone."""

    def topic_set(self, room: str, topic: TopicIs) -> None:
        """See Members.topic_set."""

    def find_place(self, base: str) -> int:  # noqa: ARG002
        """See Members.find_place."""
        newest = self._journal.ask("XREVRANGE", self._journal.key("feed"), "+", "-", "COUNT", 1)
        return int(newest[0][0].partition(b"-")[0]) if newest else 0

    def refused(self, cause: object, why: str) -> None:
        """See Members.refused."""

    def not_known(self, cause: object) -> None:
        """See Members.not_known."""

    def lost(self, room: str, count: int, first: int, last: int) -> None:
        """See Members.lost."""

    def unable(self, why: str) -> None:
        """See Members.unable."""

    def letter(self, data: bytes) -> None:
        """See Members.letter."""
