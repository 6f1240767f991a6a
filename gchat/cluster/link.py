"""The link of a node to its engine: what it puts there, and the feed that it gets from there.

    waiting     put, and not sent: refused for good after ANSWER_S
    under way   one batch, sent; it carries the deadline of its oldest item, so what was refused is never said later
    not known   sent, and the connection was lost: the next attach tells whether it was carried out, and its outcome
                comes by the feed; else it is sent again, or refused if it is late

Nothing is shown or acknowledged but what comes by the feed. Four connections: one to put, one for the feed, because a
question that waits for news holds up what is asked behind it, one for what is read, and one for letters.

Whatever goes wrong is mended in one way: all connections are dropped, and the node attaches anew. It goes on behind the
entry that it heard last, or, where it has lost its place, has its owner find another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any

import gevent
from gevent.event import Event

from gchat.breather import breathe
from gchat.cluster.attachment import Attachment, Bases, Dialler, NumberTaken, Timings, drawn
from gchat.cluster.batches import ANSWER_S, Batches
from gchat.cluster.cluster_time import ClusterTime
from gchat.cluster.engine_connection import EngineLost, Word
from gchat.cluster.entries import Entry, entry
from gchat.cluster.feed_lag import FeedLag
from gchat.cluster.feed_place import FeedPlace
from gchat.cluster.fitness import WARNINGS
from gchat.cluster.link_owner import LinkOwner
from gchat.cluster.reasons import FORGOTTEN, LATE, reason
from gchat.cluster.unanswered import Put, Unanswered
from gchat.journal.journal import JournalError

#: An engine that does not answer for the first is lost; after so much longer as the second without one, users are told.
SILENT_S, PATIENCE_S = 2.0, 1.5

#: A node that does not beat for so long is gone; as long as a disconnected user may come back.
LEASE_S = 15.0

#: If no node has beaten for longer, that was the engine's doing: leases, and the time of the cluster, stand still.
SILENCE_S = 3.0

#: The feed has as many entries, and those of this time; and all that are not in the checkpoint.
FEED_ENTRIES, FEED_S = 20_000, 30.0

#: Where answers come sooner after each other than the first of these, the next is asked for after the second: else each
#: batch of each node is an answer, and the reader wakes up for it. So it is where nobody here reads what came. Other
#: news is told at once.
SOON_S, READ_PACE_S = 0.001, 0.002

#: Entries of one answer; and for how long they are told before others have a turn.
MAX_ENTRIES, TELLING_S = 100, 0.005

#: What is lost is tried again after the first of these, doubling to the second while it is lost sooner than the third.
RECONNECT_S, MAX_RECONNECT_S, STEADY_S = 0.05, 1.0, 5.0

#: Between two beats; and how much before ANSWER_S that is answered which would be late then.
BEAT_S, MARGIN_S = 1.0, 0.1


class EngineLink:
    """A node's link, kept up for ever once it is started.

    `namespace` stands before every key of the engine, and `name` before the number of this node.
    """

    def __init__(self, engine: Dialler, owner: LinkOwner, namespace: str, name: str) -> None:
        self._engine = engine
        self._owner = owner
        self._prefix = f"{{{namespace}}}"
        self._name = name
        self.node = drawn(name)
        self.info: Callable[[], bytes] = bytes  # what is told of this node with each beat
        self.is_read: Callable[[str], bool] = lambda _room: True  # whether a user of this node reads a room
        self.took: Callable[[float], None] = lambda _s: None  # told for each item how long its outcome took
        self.is_gone_at_end = False  # whether there is something for the others to give up when it closes
        self._unanswered = Unanswered()
        self._bases = Bases()
        self.base = self.term = ""  # of the engine's history; with a number that its restarts count
        self._place = FeedPlace()
        self.known_n = 0  # when a place was found: the last of the engine's entries that had been heard before
        self.lag = FeedLag()
        self._echoed: tuple[int, int] | None = None  # once entry n was heard, batches up to this have no echo any more
        self._unsure = 0  # batches up to this one are never sent again, because they may have been carried out
        self._time = ClusterTime(SILENCE_S)
        self.batches = Batches(self._unanswered, self._time.engine_at, self._refuse, self._beat_once)
        self.wall_time: Callable[[], float] = lambda: self._time.engine_at(time.monotonic())  # the engine's
        self.nodes: Mapping[str, bytes] = {}  # what each living node told of itself with its last beat
        self.checkpoint_n = -1  # of the newest one, as of the last beat; -1: there is none
        self.was_empty = False  # whether the engine was, when this node attached: its base is from here
        self._attachment: Attachment | None = None
        self._work: list[gevent.Greenlet[Any, JournalError]] = []
        self.is_up = Event()
        self.has_beaten = Event()  # set with each beat; to be cleared by the one that waits for it
        self._was_lost = Event()  # set for the one that watches
        self._lost_at = time.monotonic()
        self._why = LATE  # nothing can be stored, while it cannot
        self._is_in_trouble = False
        self._greenlets: list[gevent.Greenlet[Any, Any]] = []

    # --- For the journal -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Attach, once, and stay attached. Waits. Raises JournalError: the engine cannot be used."""
        while True:
            try:
                self._attach(is_new=True)
                break
            except NumberTaken:
                self.node = drawn(self._name)
            except BaseException:
                self._drop()
                raise
        self._greenlets = [gevent.spawn(self._live), gevent.spawn(self._watch)]

    def put(self, items: Sequence[tuple[bytes, Any]]) -> None:
        """Have items carried out, in this order, behind all that were put before; each with its cause. Never waits.

        While users have been told that nothing can be stored, it is refused at once, so that nothing gathers.
        """
        self._unanswered.put(items, time.monotonic())
        if self._is_in_trouble:
            self._refuse(self._unanswered.late(inf), self._why)
        self.batches.wake()

    @property
    def unanswered(self) -> int:
        """How many items were put whose outcome has not come yet."""
        return len(self._unanswered)

    @property
    def heard(self) -> int:
        """The number of the feed's entry that was heard last."""
        return self._place.number

    @property
    def attached_n(self) -> int:
        """The number of the feed's last entry when this node attached."""
        return 0 if self._attachment is None else self._attachment.n

    @property
    def durability(self) -> str:
        """What a crash of the engine's machine costs: "full": nothing; "second": a second; "none"; "unknown"."""
        return "unknown" if self._attachment is None else self._attachment.durability

    @property
    def warning(self) -> str:
        """What an operator should know of the engine; "": nothing."""
        return WARNINGS[self.durability]

    def ask(self, *command: Word) -> Any:
        """Return the answer of the engine that is read from. Waits. Raises EngineLost, EngineRefused."""
        return self._attached().reading.call(*command, timeout_s=SILENT_S)

    def do(self, *command: Word) -> Any:
        """Return the answer of the engine that is written to. Waits. Raises EngineLost, EngineRefused."""
        return self._attached().putting.call(*command, timeout_s=SILENT_S)

    def rebase(self, room: str, term: int) -> int:
        """Do what Attachment.rebase does. Waits. Raises EngineLost, EngineRefused."""
        return self._attached().rebase(room, term)

    def tell(self, *command: Word) -> None:
        """Have the engine do something that nobody waits for; if it is lost, so is that."""
        if self._attachment is not None and not self._attachment.putting.is_lost:
            self._attachment.putting.ask(*command, timeout_s=SILENT_S)

    def key(self, name: str) -> str:
        """Return the engine's key of this name."""
        return f"{self._prefix}:{name}"

    def time(self) -> float:
        """Return the time of the cluster, in seconds; it stands still while the engine does."""
        return self._time.at(time.monotonic())

    def keep_checkpoint(self, n: int, data: bytes) -> None:
        """Store what the feed up to its entry n has led to, unless there is newer; what is later stays in the feed.

        `n` is `heard`, and `data` is of that moment: no other greenlet has run since. Waits. Raises EngineLost,
        EngineRefused.
        """
        self.checkpoint_n = self._attached().keep(n, data)

    def checkpoint(self) -> tuple[int, bytes] | None:
        """Return the n and the data of the newest checkpoint. Waits. Raises EngineLost, EngineRefused."""
        n, data = self.ask("HMGET", self.key("checkpoint"), "n", "data")
        return None if n is None else (int(n), data)

    def send(self, node: str, data: bytes) -> bool:
        """Send a letter to a node; return whether that was there to get it. Waits; a letter is stored nowhere.

        Raises EngineLost: it is not known whether the letter arrived; EngineRefused.
        """
        return bool(self._attached().putting.call("PUBLISH", self.key(f"to:{node}"), data, timeout_s=SILENT_S))

    def close(self) -> None:
        """Wait for what was put, for ANSWER_S at most, and ask nothing more. The lease is given back."""
        ends_at = time.monotonic() + ANSWER_S
        while self.unanswered and self.is_up.is_set() and time.monotonic() < ends_at:
            gevent.sleep(0.005)
        if self._attachment is not None:
            with suppress(JournalError):  # then the lease ends by itself
                self._attachment.leave(is_gone=self.is_gone_at_end)
        gevent.killall(self._greenlets)
        self._drop()

    # --- The connections -------------------------------------------------------------------------------------------

    def _attached(self) -> Attachment:
        if self._attachment is None:
            raise EngineLost(LATE)
        return self._attachment

    def _live(self) -> None:
        wait_s = RECONNECT_S
        try:
            while True:
                began_at = time.monotonic()
                try:
                    if self._attachment is None:
                        self._attach(is_new=False)
                    raise gevent.wait(self._work, count=1)[0].get()  # noqa: TRY301  # what it was
                except Exception as error:  # a fault of ours too: without a link a node is of no use
                    self._why = reason(error)
                self._drop()
                if time.monotonic() - began_at > STEADY_S:
                    wait_s = RECONNECT_S
                gevent.sleep(wait_s)
                wait_s = min(wait_s * 2, MAX_RECONNECT_S)
        finally:
            self._drop()

    def _drop(self) -> None:
        gevent.killall(self._work)
        if self._attachment is not None:
            self._attachment.close()
            self._attachment = None
        if self.is_up.is_set():
            self.is_up.clear()
            self._lost_at = time.monotonic()
            self._was_lost.set()

    def _attach(self, *, is_new: bool) -> None:
        """Connect, and find out where the engine stands. Raises JournalError."""
        timings = Timings(SILENT_S, int(LEASE_S * 1000), int(SILENCE_S * 1000), FEED_ENTRIES, int(FEED_S * 1000))
        attached = self._attachment = Attachment(
            *(self._engine, self._prefix, self.node, timings),
            is_new=is_new,
            fresh_base=self._bases.drawn(),
            known=(self._place.base, self._place.id),
            letter=self._owner.letter,
        )
        is_same = attached.base == self._place.base and attached.has_lease
        if not (is_same and attached.is_there):
            self._place.lose()
        if attached.base != self.base:  # what was sent into another history is in none now
            self._refuse(self._unanswered.forget(inf), FORGOTTEN)
        self.base, self.term, self.was_empty = attached.base, attached.term, self._bases.has_drawn(attached.base)
        self._beat_once(attached)
        self._work = [self._begin(self._beat)]  # the lease goes on while a place is being found
        if not self._place.base:
            self._find_place(attached.base)
        if not is_same:  # what was applied is forgotten with a lease, and with a base
            self._unsure = self._unanswered.last_batch
        self._unanswered.send_again(max(attached.applied, self._unsure))
        self._echoed = (attached.n, self._unanswered.last_batch)
        self._forget_unheard(*self._echoed)
        works: list[Callable[[], None]] = [partial(self.batches.write, attached), self._follow]
        works += [each.wait_lost for each in attached.connections]
        self._work += map(self._begin, works)
        self.batches.wake()
        self._why = LATE
        self.is_up.set()
        if self._is_in_trouble:
            self._is_in_trouble = False
            self._owner.unable("")

    def _find_place(self, base: str) -> None:
        """Have the owner find a place in the feed. Raises EngineLost, EngineRefused."""
        self.known_n = self._place.known(base, self.ask, self.key("feed"))
        n = self._owner.find_place(base, self.ask)
        found = self.ask("XRANGE", self.key("feed"), n, n)
        if n and not found:
            raise EngineLost("the feed does not have the entry any more behind which it should be read")
        self._place.find(base, n, found)

    def _begin(self, work: Callable[[], None]) -> gevent.Greenlet[Any, JournalError]:
        """Return a greenlet for what goes on until the engine cannot any more; its value is why."""

        def until_lost() -> JournalError:
            try:
                work()
            except JournalError as error:
                return error
            raise AssertionError(work)

        return gevent.spawn(until_lost)

    # --- What goes on ----------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        reading = self._engine.connect(is_for_reading=True)
        question = ("XREAD", "COUNT", MAX_ENTRIES, "BLOCK", 1000, "STREAMS", self.key("feed"))
        came_at = 0.0
        try:
            while True:
                answer = reading.call(*question, self._place.id, timeout_s=1 + SILENT_S)
                began_at = time.monotonic()
                is_to_rest, came_at = began_at - came_at < SOON_S, began_at
                if answer:
                    is_to_rest |= not self._hear_all(answer[0][1], began_at + TELLING_S)
                # What came is shown before more is asked for: the question wakes the engine up.
                gevent.sleep(READ_PACE_S if is_to_rest else 0)
        finally:
            reading.close()

    def _hear_all(self, told: Sequence[tuple[bytes, Sequence[bytes]]], until: float) -> bool:
        """Tell entries, and let others have a turn from that time on; return whether anybody here waited for them."""
        is_read = False
        for id_, fields in told:
            heard = entry(id_, fields)
            self._hear(heard)
            for item in heard.items:
                is_read = is_read or not item.room or self.is_read(item.room)
            if time.monotonic() > until:
                breathe()
                until = time.monotonic() + TELLING_S
        return is_read

    def _hear(self, heard: Entry) -> None:
        """Tell an entry. Raises EngineLost: there is a hole before it."""
        if heard.number != self._place.number + 1:
            self._place.lose()
            raise EngineLost("the feed does not have any more what comes next")
        self._place.hear(heard)
        items = self._unanswered.settled(heard.batch) if heard.node == self.node else []
        for item in items:
            self.took(time.monotonic() - item.since)
        causes = [item.cause for item in items] or [None] * len(heard.items)
        try:
            self._owner.arrived(list(zip(heard.items, causes, strict=True)))
        except BaseException:
            self._place.doubt()
            raise
        if self._echoed is not None:
            self._forget_unheard(*self._echoed)

    def _forget_unheard(self, number: int, batch: int) -> None:  # its echo would have come by now
        if self.heard >= number:
            self._echoed = None
            for item in self._unanswered.forget(batch):
                if not item.is_unknown:
                    self._owner.not_known(item.cause)

    def _beat(self) -> None:
        attached = self._attached()
        while True:
            gevent.sleep(BEAT_S)
            self._beat_once(attached)

    def _beat_once(self, attached: Attachment) -> None:
        beaten = attached.beat(self.info())
        self._time.beaten(beaten.now, beaten.stood, time.monotonic())
        self.lag.told(beaten.n, time.monotonic())
        self.nodes, self.checkpoint_n = beaten.infos, beaten.checkpoint_n
        self.has_beaten.set()

    # --- Time that runs out ----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Answer in time what the engine does not."""
        while True:
            self._was_lost.clear()
            self._was_lost.wait(self._nothing_is_late_for())
            now = time.monotonic()
            if not self.is_up.is_set() and not self._is_in_trouble and now - self._lost_at >= PATIENCE_S:
                self._is_in_trouble = True
                self._owner.unable(self._why)
            self._refuse(self._unanswered.late(inf if self._is_in_trouble else now + MARGIN_S - ANSWER_S), self._why)
            for item in self._unanswered.not_known(now + MARGIN_S - ANSWER_S):
                self._owner.not_known(item.cause)

    def _nothing_is_late_for(self) -> float:
        """Return for how long (s) at least, unless the engine is lost: what is put later has its time from then on."""
        now = time.monotonic()
        until = (self._unanswered.oldest or now) + ANSWER_S - MARGIN_S
        if not self.is_up.is_set() and not self._is_in_trouble:
            until = min(until, self._lost_at + PATIENCE_S)
        return max(until - now, 0.001)

    def _refuse(self, items: Sequence[Put], why: str) -> None:
        for item in items:
            self._owner.refused(item.cause, why)
