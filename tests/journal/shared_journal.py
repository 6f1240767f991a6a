"""A journal that several processes append to, without the processes: outcomes arrive when the engine has its turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gchat.journal.journal import Arrival, Batch, Outcome, Posting, Whisper
from tests.journal.minimal_journal import MinimalJournal


class Engine:
    """What the journals of all processes share: it numbers what they append, and each hears of all, in one order."""

    def __init__(self) -> None:
        self.log = MinimalJournal()
        self._journals: list[SharedJournal] = []
        self._waiting: list[tuple[SharedJournal, Batch, float]] = []

    def journal(self) -> SharedJournal:
        """Return the journal of one more process."""
        self._journals.append(SharedJournal(self))
        return self._journals[-1]

    def put(self, journal: SharedJournal, batch: Batch, time: float) -> None:
        """Take what one process appends."""
        self._waiting.append((journal, batch, time))

    def turn(self) -> None:
        """Number all that was put, and let everybody know."""
        waiting, self._waiting = self._waiting, []
        for author, batch, time in waiting:
            outcomes = self.log.append(batch, time)
            for journal in self._journals:
                heard = zip(batch, outcomes, strict=True)
                arrivals = [_arrival(posting, outcome, is_own=journal is author) for posting, outcome in heard]
                journal.deliver([arrival for arrival in arrivals if arrival is not None])

    def lose(self, room: str, first: int) -> None:
        """Forget the messages of a room from number `first` on; each process is to turn to the log without them."""
        del self.log._records.get(room, [])[first - 1 :]
        for journal in self._journals:
            journal.lost[room] = first


class SharedJournal(MinimalJournal):
    """The journal of one process: it has what that process has accepted, not all that the engine has."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._renewed: dict[str, int] = {}  # by room: how often it got another log
        self.lost: dict[str, int] = {}  # by room that is to get another one: the first number that is not in it
        self.deliver: Callable[[Sequence[Arrival]], None] = lambda _arrivals: None

    def append(self, batch: Batch, time: float) -> Sequence[Outcome | None]:
        """See Journal.append."""
        self._engine.put(self, batch, time)
        return [None] * len(batch)

    def release(self, lineage: str, id_: str) -> None:
        """See Journal.release."""
        self._engine.log.release(lineage, id_)

    def follow(self, deliver: Callable[[Sequence[Arrival]], None]) -> None:
        """See Journal.follow."""
        self.deliver = deliver

    def renew(self, room: str) -> None:
        """See Journal.renew."""
        del self._records.get(room, [])[self.lost.pop(room) - 1 :]
        self._renewed[room] = self._renewed.get(room, 0) + 1

    def epoch(self, room: str) -> str:
        """See Journal.epoch."""
        return f"log {self._renewed.get(room, 0)}"


def _arrival(posting: Posting | Whisper, outcome: Outcome | None, *, is_own: bool) -> Arrival | None:
    """Return what a process hears of a posting: of another's only what is new in the room."""
    assert outcome is not None
    room = posting.room if isinstance(posting, Posting) else None
    if is_own:
        return Arrival(room, outcome, posting.cause)
    return Arrival(room, Outcome(outcome.record)) if outcome.record is not None else None
