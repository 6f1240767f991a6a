"""The link of a node to its engine: what it puts there, and the feed that it gets from there.

    waiting     put, and not sent: refused for good after ANSWER_S
    under way   one batch, sent; it carries the deadline of its oldest item, so what was refused is never said later
    not known   sent, and the connection was lost: the next attach tells whether it was carried out, and its outcome
                comes by the feed; else it is sent again, or refused if it is late

Nothing is shown or acknowledged but what comes by the feed. Three connections: one to put, one for the feed, because a
question that waits for news holds up what is asked behind it, and one for what is read.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any, Protocol

import gevent
from gevent.event import Event
from msgspec import Struct

from gchat.cluster.engine_connection import EngineConnection, EngineLost, EngineRefused, Word
from gchat.cluster.entries import Entry, Fed, entry
from gchat.journal.journal import JournalError

#: An engine that does not answer for so long is lost.
SILENT_S = 2.0

#: After so much longer without an engine, users are told.
PATIENCE_S = 1.5

#: What was put is answered within this time, or refused; what was sent by then is not known.
ANSWER_S = 4.5

#: A node that does not beat for so long is gone; as long as a disconnected user may come back.
LEASE_S = 15.0

BEAT_S = 1.0

#: While there is much to do: how long to gather before the next question, so that there are fewer.
WRITE_PACE_S, READ_PACE_S = 0.001, 0.002

MAX_ITEMS = 500
MAX_ENTRIES = 500

RECONNECT_S, MAX_RECONNECT_S = 0.05, 1.0

LATE = "the journal does not answer"


class Put(Struct):
    """Something that was put: packed, with what asked for it."""

    data: bytes
    cause: Any
    since: float  # when, by the steady clock
    is_unknown: bool = False  # whether the owner was told that its outcome is not known


class LinkOwner(Protocol):
    """What a link tells."""

    def arrived(self, told: Sequence[tuple[Fed, Any]]) -> None:
        """Take an entry of the feed: each item with its cause, or None if another node put it."""

    def refused(self, cause: Any, why: str) -> None:
        """Take that an item was not carried out, and never will be."""

    def not_known(self, cause: Any) -> None:
        """Take that an item may or may not have been carried out; what became of it may come later."""

    def is_another(self, ask: Callable[..., Any]) -> None:
        """Take that the engine's history is another one than before."""

    def missed(self, ask: Callable[..., Any]) -> None:
        """Catch up with what the feed does not have any more. Raises EngineLost, EngineRefused."""

    def unable(self, why: str) -> None:
        """Take why nothing can be stored; "": it can again."""


class Dialler(Protocol):
    """Where the connections of a link come from."""

    def connect(self, *, is_for_reading: bool) -> EngineConnection:
        """Return a new connection, which is authenticated. Waits. Raises EngineLost, EngineRefused."""


@cache
def decisions() -> tuple[bytes, str]:
    """Return the script that decides, and the name that the engine has for it."""
    source = (files("gchat.cluster") / "decisions.lua").read_bytes()
    return source, sha1(source).hexdigest()  # noqa: S324  # the engine's own name for it, no protection


class EngineLink:
    """A node's link, kept up for ever once it is started.

    `namespace` stands before every key of the engine, and `node` names this process.
    """

    def __init__(self, engine: Dialler, owner: LinkOwner, namespace: str, node: str, fresh_base: str) -> None:
        self._engine = engine
        self._owner = owner
        self._prefix = f"{{{namespace}}}"
        self._node = node
        self._fresh_base = fresh_base
        self._keep = 100_000  # messages of each room
        self._waiting: deque[Put] = deque()
        self._sent: dict[int, list[Put]] = {}  # by batch: those whose outcome has not come yet
        self._batch = 0
        self._is_wanted = Event()
        self.base = ""
        self._term = self._fence = ""
        self._at = b"0-0"  # the feed's entry that was heard last
        self._heard = 0  # its number
        self._skew_s = 0.0  # the engine's clock less ours, the steady one
        self._putting: EngineConnection | None = None
        self._reading: EngineConnection | None = None
        self._lost_at = time.monotonic()
        self._is_in_trouble = False
        self.is_up = Event()
        self._greenlets: list[gevent.Greenlet[Any, Any]] = []
        self._is_over = False

    # --- For the journal -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Attach, once, and stay attached. Waits. Raises EngineLost, EngineRefused: the engine cannot be used."""
        self._attach()
        self._greenlets = [gevent.spawn(self._live), gevent.spawn(self._watch)]

    def put(self, items: Sequence[tuple[bytes, Any]]) -> None:
        """Have items carried out, in this order, behind all that were put before; each with its cause. Never waits."""
        now = time.monotonic()
        self._waiting.extend(Put(data, cause, now) for data, cause in items)
        self._is_wanted.set()

    @property
    def unanswered(self) -> int:
        """How many items were put whose outcome has not come yet."""
        return len(self._waiting) + sum(map(len, self._sent.values()))

    def ask(self, *command: Word) -> Any:
        """Return the answer of the engine that is read from. Waits. Raises EngineLost, EngineRefused."""
        if self._reading is None:
            raise EngineLost(LATE)
        return self._reading.call(*command, timeout_s=SILENT_S)

    def tell(self, *command: Word) -> None:
        """Have the engine do something that nobody waits for; if it is lost, so is that."""
        if self._putting is not None and not self._putting.is_lost:
            self._putting.ask(*command)

    def key(self, name: str) -> str:
        """Return the engine's key of this name."""
        return f"{self._prefix}:{name}"

    def close(self) -> None:
        """Ask nothing more."""
        self._is_over = True
        gevent.killall(self._greenlets)
        self._drop()

    # --- The connections -------------------------------------------------------------------------------------------

    def _live(self) -> None:
        wait_s = RECONNECT_S
        while not self._is_over:
            try:
                if self._putting is None:
                    self._attach()
                wait_s = RECONNECT_S
                self._serve()
            except JournalError:
                pass
            self._drop()
            gevent.sleep(wait_s)
            wait_s = min(wait_s * 2, MAX_RECONNECT_S)

    def _serve(self) -> None:
        """Put, follow the feed and beat until one of them cannot. Raises EngineLost, EngineRefused."""
        work = [gevent.spawn(each) for each in (self._write, self._follow, self._beat)]
        try:
            ended = gevent.wait(work, count=1)[0]
            if ended.exception is not None and not isinstance(ended.exception, JournalError):
                raise ended.exception
        finally:
            gevent.killall(work)

    def _drop(self) -> None:
        for connection in (self._putting, self._reading):
            if connection is not None:
                connection.close()
        if self._putting is not None:
            self._lost_at = time.monotonic()
        self._putting = self._reading = None
        self.is_up.clear()

    def _attach(self) -> None:
        """Connect, and find out where the engine stands. Raises EngineLost, EngineRefused."""
        putting = self._engine.connect(is_for_reading=False)
        try:
            source, name = decisions()
            putting.call("SCRIPT", "LOAD", source, timeout_s=SILENT_S)
            answer = putting.call(
                "EVALSHA", name, 1, self._prefix, "attach", self._node, self._fresh_base, timeout_s=SILENT_S
            )
            base, self._term, n, now, applied, self._fence, _layout = (part.decode() for part in answer)
            self._skew_s = int(now) / 1000 - time.monotonic()
            reading = self._engine.connect(is_for_reading=True)
        except BaseException:
            putting.close()
            raise
        self._putting, self._reading = putting, reading
        self._find_place(base, int(n))
        self._settle(int(applied))
        self.is_up.set()
        if self._is_in_trouble:
            self._is_in_trouble = False
            self._owner.unable("")

    def _find_place(self, base: str, n: int) -> None:
        """Go on behind the entry that was heard last, or find out what was missed."""
        known, self.base = self.base, base
        if known == base:
            is_there = self.ask("XRANGE", self.key("feed"), self._at, self._at) if self._heard else not n
            if is_there:
                return
        newest = self.ask("XREVRANGE", self.key("feed"), "+", "-", "COUNT", 1)
        self._at, self._heard = (newest[0][0], _number(newest[0][0])) if newest else (b"0-0", 0)
        if known and known != base:
            self._owner.is_another(self.ask)
        elif known:
            self._owner.missed(self.ask)

    def _settle(self, applied: int) -> None:
        """Send again what was sent and not carried out, unless it is late: then it never will be."""
        again: list[Put] = []
        for batch in sorted(self._sent):
            if batch > applied:
                again += self._sent.pop(batch)
        self._batch = max(self._batch, applied)
        self._waiting.extendleft(reversed(again))
        self._refuse_late(time.monotonic())
        self._is_wanted.set()

    # --- What goes on ----------------------------------------------------------------------------------------------

    def _write(self) -> None:
        putting, (_, name) = self._putting, decisions()
        assert putting is not None
        while True:
            if not self._waiting:
                self._is_wanted.clear()
                self._is_wanted.wait()
            items = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_ITEMS))]
            if not items:
                continue
            self._batch += 1
            self._sent[self._batch] = items
            deadline = int((items[0].since + ANSWER_S + self._skew_s) * 1000)
            command: list[Word] = ["EVALSHA", name, 1, self._prefix, "put", self._term, self._node, self._fence]
            command += [self._batch, deadline, self._keep, *(item.data for item in items)]
            try:
                putting.call(*command, timeout_s=ANSWER_S)
            except EngineRefused as error:
                if error.code == "LATE":
                    self._refuse(self._sent.pop(self._batch), LATE)
                elif error.code == "OOM":
                    self._refuse(self._sent.pop(self._batch), "the memory of the engine is full")
                elif error.code != "DONE":
                    raise
            if self._waiting:
                gevent.sleep(WRITE_PACE_S)

    def _follow(self) -> None:
        reading = self._engine.connect(is_for_reading=True)
        try:
            while True:
                question = ("COUNT", MAX_ENTRIES, "BLOCK", 1000, "STREAMS", self.key("feed"), self._at)
                answer = reading.call("XREAD", *question, timeout_s=1 + SILENT_S)
                for id_, fields in answer[0][1] if answer else ():
                    self._hear(entry(id_, fields))
                if answer:
                    gevent.sleep(READ_PACE_S)
        finally:
            reading.close()

    def _hear(self, heard: Entry) -> None:
        """Tell an entry. Raises EngineLost: there is a hole before it."""
        if heard.number != self._heard + 1:
            self._owner.missed(self.ask)
        self._at, self._heard = heard.id, heard.number
        items = self._sent.pop(heard.batch, []) if heard.node == self._node else []
        causes = [item.cause for item in items] or [None] * len(heard.items)
        self._owner.arrived(list(zip(heard.items, causes, strict=True)))

    def _beat(self) -> None:
        putting, (_, name) = self._putting, decisions()
        assert putting is not None
        while True:
            command = ("EVALSHA", name, 1, self._prefix, "beat", self._term, self._node, int(LEASE_S * 1000))
            _, now, _ = putting.call(*command, timeout_s=SILENT_S)
            self._skew_s = int(now) / 1000 - time.monotonic()
            gevent.sleep(BEAT_S)

    # --- Time that runs out ----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Answer in time what the engine does not."""
        while True:
            gevent.sleep(0.1)
            now = time.monotonic()
            self._refuse_late(now)
            for items in self._sent.values():
                for item in items:
                    if now - item.since > ANSWER_S and not item.is_unknown:
                        item.is_unknown = True
                        self._owner.not_known(item.cause)
            if self._putting is None and not self._is_in_trouble and now - self._lost_at > PATIENCE_S:
                self._is_in_trouble = True
                self._owner.unable(LATE)

    def _refuse_late(self, now: float) -> None:
        late = []
        while self._waiting and now - self._waiting[0].since > ANSWER_S:
            late.append(self._waiting.popleft())
        self._refuse(late, LATE)

    def _refuse(self, items: Sequence[Put], why: str) -> None:
        for item in items:
            self._owner.refused(item.cause, why)


def _number(id_: bytes) -> int:
    return int(id_.partition(b"-")[0])
