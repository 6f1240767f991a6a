"""A node's way into the engine: connections, a fence and a term, and what decisions.lua decides, asked in its words."""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha1
from importlib.metadata import version
from importlib.resources import files
from itertools import count
from typing import Any, Protocol

from msgspec import Struct

from gchat.cluster.engine_connection import Answer, EngineConnection, EngineRefused, Word
from gchat.cluster.fitness import ASKED, EngineUnfit, check_settings, check_version, durability

#: What the engine's keys hold, and how: another program's may be another.
LAYOUT = "1"

#: Put before the script, it is carried out also when the engine's memory is full: a node that could not beat would be
#: given up. What is put is refused then.
_ALSO_WITHOUT_MEMORY = b"#!lua flags=allow-oom\n"


#: The lower bits of a term's number, which are drawn; the others count.
_DRAWN_BITS = 24


class Dialler(Protocol):
    """Where the connections of a node come from."""

    def connect(self, *, is_for_reading: bool) -> EngineConnection:
        """Return a new connection, which is authenticated. Waits. Raises EngineLost, EngineRefused."""


class NumberTaken(EngineUnfit):
    """Another node has the number of this one, or had it."""


class Bases:
    """The names that one node gives to the histories of empty engines.

    None is given twice, because an engine may be emptied again before a node has found its place there.
    """

    def __init__(self) -> None:
        self._drawn = secrets.token_hex(8)
        self._count = count(1)

    def drawn(self) -> str:
        """Return a new one."""
        return f"{self._drawn}-{next(self._count)}"

    def has_drawn(self, base: str) -> bool:
        """Return whether a base is from here."""
        return base.startswith(self._drawn)


class Timings(Struct, frozen=True):
    """How long and how much: what decisions need to know."""

    silent_s: float
    lease_ms: int
    silence_ms: int
    feed_entries: int
    feed_ms: int


class Beaten(Struct, frozen=True):
    """The answer to a beat: the engine's time, how long it stood still (s), the last n of two, what nodes tell."""

    now: float
    stood: float
    checkpoint_n: int
    n: int  # of the feed
    infos: dict[str, bytes]


def drawn(name: str) -> str:
    """Return a node's full name: with a random number of 20 bits behind it."""
    return f"{name}-{secrets.randbelow(1 << 20):05x}"


def runs(term: str) -> int:
    """Return how many runs an engine has had up to this term."""
    return int(term.rpartition(".")[2] or 0) >> _DRAWN_BITS


@cache
def tables() -> str:
    """Return by what this node judges names: one with other tables would grant what another node refuses."""
    packages = (f"{name} {version(name)}" for name in ("precis-i18n", "confusable-homoglyphs"))
    return ", ".join((f"Unicode {unicodedata.unidata_version}", *packages))


@cache
def decisions() -> tuple[bytes, str]:
    """Return the script that decides, and the name that the engine has for it."""
    return _named((files("gchat.cluster") / "decisions.lua").read_bytes())


@cache
def _decisions_without_memory() -> tuple[bytes, str]:
    return _named(_ALSO_WITHOUT_MEMORY + decisions()[0])


def _named(source: bytes) -> tuple[bytes, str]:
    return source, sha1(source).hexdigest()  # noqa: S324  # the engine's own name for it, no protection


class Attachment:
    """A node that is attached: its connections, where the engine stood, and how it is told and asked.

    All methods but put() wait. All raise EngineLost or EngineRefused: if its code is STALE or FENCED, this is over.
    """

    def __init__(
        self,
        engine: Dialler,
        prefix: str,
        node: str,
        timings: Timings,
        *,
        is_new: bool,
        fresh_base: str,
        known: tuple[str, bytes],
        letter: Callable[[bytes], None],
    ) -> None:
        """Attach. `known` is the base and the id of the feed's entry that was heard last; letters go to `letter`.

        Raises EngineLost, EngineRefused, EngineUnfit.
        """
        self._prefix = prefix
        self._node = node
        self._timings = timings
        self.connections: list[EngineConnection] = []
        try:
            self.putting = self._connect(engine, is_for_reading=False)
            self._look()
            about = (node.rpartition("-")[2], int(is_new), fresh_base, LAYOUT, tables(), *known)
            self._attach(*about)
            self.reading = self._connect(engine, is_for_reading=True)
            self.letters = self._connect(engine, is_for_reading=False)
            self.letters.pushed = lambda message: letter(message[2])
            self.letters.call("SUBSCRIBE", f"{prefix}:to:{node}", timeout_s=timings.silent_s)
        except EngineRefused as error:
            self.close()
            raise _why_not(error, prefix) from None
        except BaseException:
            self.close()
            raise

    def _connect(self, engine: Dialler, *, is_for_reading: bool) -> EngineConnection:
        connection = engine.connect(is_for_reading=is_for_reading)
        self.connections.append(connection)
        return connection

    def _look(self) -> None:
        """See whether the engine is fit. Raises EngineLost, EngineRefused, EngineUnfit."""
        check_version(self._call("INFO", "server").decode())
        try:
            found = self._call("CONFIG", "GET", *ASKED)
        except EngineRefused:  # a managed engine often lets nobody ask
            found = []
        settings = {key.decode(): value.decode() for key, value in zip(found[::2], found[1::2], strict=True)}
        check_settings(settings)
        self.durability = durability(settings)
        for source, _ in (decisions(), _decisions_without_memory()):
            self._call("SCRIPT", "LOAD", source)

    def _attach(self, *about: Word) -> None:
        answer = self._decide("attach", self._node, *about)
        self.term, n, applied, self._fence, has_lease, is_there = (part.decode() for part in answer)
        self.base = self.term.rpartition(".")[0]
        self.n, self.applied = int(n), int(applied)  # of the feed, and of this node's batches: the last
        self.has_lease, self.is_there = has_lease == "1", is_there == "1"

    def put(
        self, batch: int, deadline: float, keep: int, items: Sequence[bytes], *, timeout_s: float, answer: Answer
    ) -> None:
        """Have a batch carried out before the deadline, by the engine's time; rooms keep `keep` messages.

        It does not wait: `answer` will have the answer; see EngineConnection.ask.
        """
        command: list[Word] = ["EVALSHA", decisions()[1], 1, self._prefix, "put", self.term, self._node, self._fence]
        command += [batch, int(deadline * 1000), keep, *items]
        self.putting.ask(*command, timeout_s=timeout_s, answer=answer)

    def beat(self, info: bytes) -> Beaten:
        """Keep the lease, and tell and learn what there is to tell of the nodes.

        The other connections are asked for a sign at the same moment, because engines close what is idle, and each
        that was kept up by itself would wake the node up. One that has no answer in time is lost.
        """
        timings = self._timings
        others = [each for each in self.connections if each is not self.putting]
        signs = [each.ask("PING", timeout_s=timings.silent_s) for each in others]
        about = (timings.lease_ms, timings.silence_ms, timings.feed_entries, timings.feed_ms, info)
        now, stood, checkpoint_n, n, *told = self._decide("beat", self.term, self._node, self._fence, *about)
        for sign in signs:  # an error is none: what is asked there would have it too
            sign.get()
        infos = {node.decode(): info for node, info in zip(told[::2], told[1::2], strict=True)}
        return Beaten(int(now) / 1000, int(stood) / 1000, int(checkpoint_n), int(n), infos)

    def keep(self, n: int, data: bytes) -> int:
        """Store a checkpoint, unless there is a newer one. Returns the n of the newest."""
        return int(self._decide("keep", self.term, self._node, self._fence, n, data))

    def rebase(self, room: str, term: int) -> int:
        """Note that a room has lost messages up to this term; return the term that names its epoch now."""
        return int(self._decide("rebase", self.term, self._node, self._fence, room, term))

    def leave(self, *, is_gone: bool) -> None:
        """Give the lease back; all nodes learn that this one is gone, or they do not."""
        self._decide("leave", self.term, self._node, self._fence, int(is_gone))

    def close(self) -> None:
        """Close the connections."""
        for connection in self.connections:
            connection.close()

    def _decide(self, *words: Word) -> Any:
        return self._call("EVALSHA", _decisions_without_memory()[1], 1, self._prefix, *words)

    def _call(self, *words: Word) -> Any:
        return self.putting.call(*words, timeout_s=self._timings.silent_s)


def _why_not(error: EngineRefused, prefix: str) -> EngineRefused | EngineUnfit:
    code, _, theirs = str(error).partition(" ")
    if code == "TAKEN":
        return NumberTaken("another node has the number of this one")
    if code == "LAYOUT":
        return EngineUnfit(f"the engine has what another version of gchat stored (layout {theirs}; expected {LAYOUT})")
    if code == "UNICODE":
        ours = tables()
        return EngineUnfit(
            f"the other nodes have {theirs}, and this one {ours}, so they would judge names differently: "
            "install the same versions of Python and of these packages everywhere"
        )
    if code == "NOPERM":
        return EngineUnfit(
            f"the engine does not let this server do what it must: its user needs `~{prefix}* &{prefix}* +@all`, "
            "and may do without +config"
        )
    return error
