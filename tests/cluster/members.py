"""Nodes without users: what they say, what they show, what is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_connection import EngineConnection, EngineLost
from gchat.cluster.engine_url import parsed
from gchat.cluster.journal import SharedJournal
from gchat.cluster.link import EngineLink
from gchat.cluster.members import MessagesOnly
from gchat.journal.journal import Arrival, JournalError, Posting
from gchat.model.events import TopicIs
from gchat.model.messages import Said
from tests.cluster.engines import at_once, wait_until_in_loop

ROOM = "lobby"


class Noting(MessagesOnly):
    """What a journal tells of more than messages, written down."""

    def __init__(self, journal: SharedJournal) -> None:
        super().__init__(journal)
        journal.members = self
        self.topics: list[tuple[str, TopicIs]] = []
        self.losses: list[tuple[str, int, int, int]] = []
        self.troubles: list[str] = []

    def topic_set(self, room: str, topic: TopicIs) -> None:
        self.topics.append((room, topic))

    def lost(self, room: str, count: int, first: int, last: int) -> None:
        self.losses.append((room, count, first, last))

    def unable(self, why: str) -> None:
        self.troubles.append(why)


class Cable:
    """Connections to an engine that can be cut, all at once."""

    def __init__(self, engine: UrlEngine) -> None:
        self.engine = engine
        self._connections: list[EngineConnection] = []
        self.is_cut = False

    def connect(self, *, is_for_reading: bool) -> EngineConnection:
        if self.is_cut:
            raise EngineLost("cut")
        self._connections.append(self.engine.connect(is_for_reading=is_for_reading))
        return self._connections[-1]

    def cut(self) -> None:
        self.is_cut = True
        for connection in self._connections:
            connection.close()


class Node(Noting):
    """A node that is in the lobby, and shows at once what arrives, as the pump does."""

    def __init__(self, engine: UrlEngine | str, name: str, namespace: str = "test") -> None:
        self.name = name
        self.journal = SharedJournal(1 << 24, at_once)
        super().__init__(self.journal)
        self._dialler = Cable(UrlEngine(parsed(engine)) if isinstance(engine, str) else engine)
        self.link = self.journal.link = EngineLink(self._dialler, self.journal, namespace, name)
        self.journal.follow(self._arrived)
        self.said = 0
        self.shown: list[tuple[int, str]] = []  # of the log as it is now
        self.gone_texts: list[str] = []  # of what was shown, and lost
        self.acked: dict[str, int] = {}
        self.refused_texts: set[str] = set()

    def __enter__(self) -> Self:
        self.link.start()
        self.journal.open([ROOM])
        return self

    def __exit__(self, *_: object) -> None:
        self.link.close()

    @property
    def epoch(self) -> str:
        return self.journal.epoch(ROOM)

    def says(self, count: int = 1) -> None:
        """Say something, and go on."""
        for _ in range(count):
            self.said += 1
            text = f"{self.name} {self.said}"
            self.journal.append([Posting(ROOM, Said(self.name, (text,), (str(self.said),)), self.name, text)], 0)

    def is_answered(self) -> None:
        """Wait until all that was said is answered."""
        wait_until_in_loop(lambda: not self.link.unanswered, f"{self.name} is answered")

    def is_cut_off(self) -> None:
        """Have no connection to the engine any more, until it is back."""
        self._dialler.cut()

    def is_back(self) -> None:
        """Have a connection again."""
        self._dialler.is_cut = False

    def moves_to(self, engine: UrlEngine | str) -> None:
        """Find another engine at the address of the one until now, from the next connection on."""
        self._dialler.engine = UrlEngine(parsed(engine)) if isinstance(engine, str) else engine

    def is_attached(self) -> None:
        """Wait until the engine answers again."""

        def answers() -> bool:
            try:
                return bool(self.link.do("PING") and self.link.ask("PING"))
            except JournalError:
                return False

        wait_until_in_loop(answers, f"{self.name} is attached")

    def shows(self, text: str) -> None:
        """Wait until a text is shown."""
        wait_until_in_loop(lambda: any(text == each for _, each in self.shown), f"{self.name} shows {text}")

    def lost(self, room: str, count: int, first: int, last: int) -> None:
        super().lost(room, count, first, last)
        self.journal.renew(room)
        self.gone_texts += [text for seq, text in self.shown if first <= seq <= last]
        self.shown = [(seq, text) for seq, text in self.shown if not first <= seq <= last]

    def _arrived(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            record = arrival.outcome.record
            if record is not None and record.seq >= self.journal.next_seq(ROOM):
                assert record.seq == self.journal.next_seq(ROOM), "there is a hole"
                self.journal.accept(arrival)
                assert isinstance(record.message, Said)
                self.shown += [(record.seq + at, text) for at, text in enumerate(record.message.texts)]
            if arrival.cause is None:
                continue
            assert isinstance(arrival.cause, str)
            if arrival.outcome.why_not:
                self.refused_texts.add(arrival.cause)
            else:
                self.acked[arrival.cause] = arrival.outcome.numbers[0].seq or 0


def reads_from(node: Node) -> int:
    """Return the port that a node reads from, 0 if it is not attached."""
    try:
        return int(node.link.ask("CONFIG", "GET", "port")[1])
    except JournalError:
        return 0
