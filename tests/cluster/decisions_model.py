"""What decisions.lua decides, in Python, as plainly as possible; the time is given."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

IDS = 4  # of a lineage, until they become the older ones

DRAWN = 1 << 24  # as many terms are of the same run of the engine, in each of its histories

Fields = list[Any]


class Refused(Exception):
    """An error; its text is the first word of the engine's."""


@dataclass
class Model:
    """All that the engine has."""

    raw: int = 0  # what the clock of its machine says, ms
    run: str = "1"
    last: int = 0
    last_raw: int = 0
    base: str = ""
    term: int = 0
    last_run: str = ""
    layout: str = ""
    unicode: str = ""
    fences: int = 0
    stood: int = 0
    beaten: int = 0
    mark: int = 0
    marked: int = 0
    old: int = 0
    first: int = 0  # the feed has nothing below
    checkpoint: tuple[int, bytes] | None = None
    feed: list[tuple[str, Fields]] = field(default_factory=list)
    streams: dict[str, list[Fields]] = field(default_factory=lambda: defaultdict(list))
    ids: dict[str, dict[str, tuple[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    older_ids: dict[str, dict[str, tuple[int, int]]] = field(default_factory=lambda: defaultdict(dict))
    numbers: set[str] = field(default_factory=set)
    leases: dict[str, int] = field(default_factory=dict)
    fence: dict[str, str] = field(default_factory=dict)
    applied: dict[str, int] = field(default_factory=dict)
    infos: dict[str, bytes] = field(default_factory=dict)

    def decide(self, name: str, *words: Any) -> Any:
        """Return the answer of a decision, or the error."""
        try:
            return getattr(self, name)(*words)
        except Refused as error:
            return error

    def _now(self) -> int:
        return max(self.raw, self.last + -(-max(self.raw - self.last_raw, 0) // 2))

    def _keep_time(self) -> int:
        self.last, self.last_raw = self._now(), self.raw
        return self.last

    def _check(self, term: str, node: str, fence: str) -> None:
        if term != f"{self.base}.{self.term}" or not self.base:
            raise Refused("STALE")
        if self.fence.get(node) != fence:
            raise Refused("FENCED")

    def _feed(self, fields: Fields) -> None:
        self.feed.append((f"{len(self.feed) + 1}-{self.term}", fields))

    def _drop(self, node: str) -> None:
        for table in (self.leases, self.fence, self.applied, self.infos):
            table.pop(node, None)

    def entries(self) -> list[tuple[str, Fields]]:
        return self.feed[max(self.first - 1, 0) :]

    def attach(  # noqa: PLR0917  # in the order of the script's arguments, here and below
        self, node: str, number: str, is_new: bool, fresh: str, layout: str, unicode: str, known: str, at: str
    ) -> tuple[str, ...]:
        if self.base and self.layout != layout:
            raise Refused("LAYOUT")
        if self.base and self.unicode != unicode and any(end >= self._now() for end in self.leases.values()):
            raise Refused("UNICODE")
        if is_new and number in self.numbers:
            raise Refused("TAKEN")
        self._keep_time()
        self.base = self.base or fresh
        if self.last_run != self.run:
            self.term = (self.term // DRAWN + 1) * DRAWN + int(self.run[:6], 16)
        self.last_run, self.layout, self.unicode = self.run, layout, unicode
        self.fences += 1
        self.fence[node] = str(self.fences)
        self.numbers.add(number)
        is_there = known == self.base and (at == "0-0" or at in [id_ for id_, _ in self.entries()])
        return (
            *(f"{self.base}.{self.term}", str(len(self.feed)), str(self.applied.get(node, 0)), self.fence[node]),
            *("1" if node in self.leases else "0", "1" if is_there else "0"),
        )

    def put(  # noqa: PLR0917
        self, term: str, node: str, fence: str, batch: int, deadline: int, items: list[tuple[Any, ...]]
    ) -> str:
        self._check(term, node, fence)
        if batch <= self.applied.get(node, 0):
            raise Refused("DONE")
        if self._now() > deadline:
            raise Refused("LATE")
        now, fields = self._keep_time(), [node, str(batch)]
        for item in items:
            fields += getattr(self, f"_{item[0]}")(now, *item[1:])
        self.applied[node] = batch
        self._feed(fields)
        return str(now)

    def _step(self, _now: int, data: bytes) -> Fields:
        return ["\2", data]

    def _whisper(self, _now: int, lineage: str, id_: str, digest: int) -> Fields:
        used = self._used(lineage, id_)
        if used is None:
            self._use(lineage, id_, digest, 0)
        is_same = used is None or used[0] == digest
        return ["\0" + "0", "", "\1", ([(id_, 0)] if is_same else [], [] if is_same else [id_], used is None)]

    def _message(  # noqa: PLR0917
        self,
        now: int,
        room: str,
        lineage: str,
        kind: str,
        name: str,
        texts: list[str],
        ids: list[str],
        digests: list[int],
    ) -> Fields:
        stream = self.streams[room]
        first = sum(len(record[4]) for record in stream) + 1
        new: list[str] = []
        new_ids: list[str] = []
        numbers: list[tuple[str, int]] = []
        reused: list[str] = []
        for text, id_, digest in zip(texts, ids or [""] * len(texts), digests or [0] * len(texts), strict=True):
            used = self._used(lineage, id_) if id_ else None
            if id_ and used is None:
                self._use(lineage, id_, digest, first + len(new))
                numbers.append((id_, first + len(new)))
            if used is None:
                new.append(text)
                new_ids.append(id_)
            elif used[0] == digest:
                numbers.append((id_, used[1]))
            else:
                reused.append(id_)
        record = [first, now, kind, name, new, new_ids if ids else []] if new else ""
        if new:
            stream.append(record)  # type: ignore[arg-type]
        fields = [f"{room}\0{first + len(new) - 1 if new else 0}", record]
        return fields + (["\1", (numbers, reused, False)] if ids else [])

    def _used(self, lineage: str, id_: str) -> tuple[int, int] | None:
        return self.ids[lineage].get(id_) or self.older_ids[lineage].get(id_)

    def _use(self, lineage: str, id_: str, digest: int, seq: int) -> None:
        self.ids[lineage][id_] = (digest, seq)
        if len(self.ids[lineage]) >= IDS:
            self.older_ids[lineage] = self.ids.pop(lineage)

    def beat(  # noqa: PLR0917
        self, term: str, node: str, fence: str, lease: int, silence: int, entries: int, age: int, info: bytes
    ) -> tuple[str, str, str, str, dict[str, bytes]]:
        self._check(term, node, fence)
        now = self._keep_time()
        gap = now - self.beaten if self.beaten else 0
        if gap > silence:
            self.stood += gap
            self.leases = {other: end + gap for other, end in self.leases.items()}
        self.beaten, self.leases[node], self.infos[node] = now, now + lease, info
        gone = sorted((end, other) for other, end in self.leases.items() if end <= now)
        for _, other in gone:
            self._drop(other)
        if gone:
            self._feed(["", "0", *(part for _, other in gone for part in ("\3", other))])
        if now - self.marked >= age:
            self.old, self.mark, self.marked = self.mark, len(self.feed), now
        kept = self.checkpoint[0] if self.checkpoint else 0
        self.first = max(self.first, min(len(self.feed) - entries + 1, self.old + 1, kept))
        newest = str(self.checkpoint[0] if self.checkpoint else -1)
        return str(now), str(self.stood), newest, str(len(self.feed)), self.infos

    def keep(self, term: str, node: str, fence: str, n: int, data: bytes) -> str:
        self._check(term, node, fence)
        if self.checkpoint is None or self.checkpoint[0] < n:
            self.checkpoint = (n, data)
        return str(self.checkpoint[0])

    def leave(self, term: str, node: str, fence: str, is_gone: bool) -> str:
        self._check(term, node, fence)
        self._drop(node)
        if is_gone:
            self._feed(["", "0", "\3", node])
        return "OK"
