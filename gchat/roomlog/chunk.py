"""Chunks: what a room is told in one turn, encoded once, and the offer of a chunk to all that are to get it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import compress
from operator import itemgetter
from typing import Protocol

#: What was appended at once: its position, the number of its first message or of the next one, how many it has, and its
#: tick. Several messages are one line each. One, or none, is any number of lines, or bytes that have no lines at all.
Piece = tuple[int, int, int, int]

#: Where what a session said begins and ends.
Span = tuple[int, int]

#: Sessions that a reader is deaf to.
Sessions = tuple[int, ...]

#: Logs that are told the same, in that order, and where it begins in each.
Places = list[tuple[Hashable, int]]

#: Where what other logs were told before begins and ends, and the places of it.
Repeat = tuple[int, int, Places]

_LF = 10
_POSITION, _TICK = itemgetter(0), itemgetter(3)


def place_of(tick: int, pieces: list[Piece], end: int) -> int:
    """Return where the first of `pieces` begins that has a later tick; without one, `end`."""
    index = bisect_right(pieces, tick, key=_TICK)
    return pieces[index][0] if index < len(pieces) else end


class Hearer(Protocol):
    """What is to be known of a cursor to leave out what its reader does not hear."""

    session: int
    deaf_to: Sessions

    def was_told(self, places: Places) -> bool:
        """Return whether its reader is told this in another log before: of that, it hears no repeat."""


class Chunk:
    """The bytes of one turn."""

    __slots__ = ("data", "end", "pieces", "repeats", "seq", "spans", "start")

    def __init__(
        self,
        data: bytes,
        start: int,
        seq: int,
        pieces: list[Piece],
        spans: dict[int, list[Span]],
        *,
        repeats: Sequence[Repeat] = (),
    ) -> None:
        self.data = data
        self.start = start
        self.end = start + len(data)
        self.seq = seq  # the number of the first message here, or of the next one if there is none
        self.pieces = pieces
        self.spans = spans  # session: (start, end) of what it said; who does not hear it is not sent that
        self.repeats = repeats  # of what other logs were told before

    def seq_at(self, position: int) -> int:
        """Return the number of the first message at or after `position`, which is where a message begins."""
        start, seq, count, _ = self.pieces[self._piece_at(position)]
        return seq + self.data.count(b"\n", start - self.start, position - self.start) if count > 1 else seq

    def tick_at(self, position: int) -> int:
        """Return the tick of the piece that `position` is in."""
        return self.pieces[self._piece_at(position)][3]

    def end_of_message(self, position: int) -> int:
        """Return where the message ends that `position` is in, or the line without a number; itself if in none."""
        index = self._piece_at(position)
        start, _, count, _ = self.pieces[index]
        at = position - self.start
        if position == start or (count > 1 and self.data[at - 1] == _LF):
            return position
        if count > 1:
            return self.data.index(b"\n", at) + 1 + self.start
        return self.pieces[index + 1][0] if index + 1 < len(self.pieces) else self.end

    def _piece_at(self, position: int) -> int:
        return bisect_right(self.pieces, position, key=_POSITION) - 1

    def heard_by(self, hearer: Hearer) -> bytes:
        """Return all that a reader hears of this chunk."""
        data, offset, spans = self.data, self.start, self._left_out(hearer)
        if len(spans) == 1:  # mostly
            ((start, end),) = spans
            return data[: start - offset] + data[end - offset :]
        parts: list[bytes] = []
        self.hear(parts, hearer, offset, self.end)
        return b"".join(parts)

    def hear(self, parts: list[bytes], hearer: Hearer, start: int, end: int) -> int:
        """Add to `parts` what a reader hears between two positions; return how many bytes that is."""
        data, offset, spans = self.data, self.start, self._left_out(hearer)
        if not spans:
            parts.append(data if end - start == len(data) else data[start - offset : end - offset])
            return end - start
        size = 0
        for own_start, own_end in spans:
            if own_start >= end:
                break
            if own_start > start:
                parts.append(data[start - offset : own_start - offset])
                size += own_start - start
                start = own_end
            elif own_end > start:
                start = own_end
        if start < end:
            parts.append(data[start - offset : end - offset])
            size += end - start
        return size

    def told(self, position: int, hearer: Hearer) -> Iterator[tuple[int, bytes]]:
        """Return what a reader hears from a position on, append by append, with the tick of each."""
        ends = [piece[0] for piece in self.pieces[1:]] + [self.end]
        for (start, _, _, tick), end in zip(self.pieces, ends, strict=True):
            if end > position:
                parts: list[bytes] = []
                self.hear(parts, hearer, max(start, position), end)
                yield tick, b"".join(parts)

    def locate(self, hearer: Hearer, start: int, taken: int) -> tuple[int, int]:
        """Return where a reader is when it took `taken` bytes of what it hears from `start` on.

        And how many of them it took after the end of this chunk.
        """
        for own_start, own_end in (*self._left_out(hearer), (self.end, self.end)):
            if taken < own_start - start:
                return start + taken, 0
            taken -= max(0, own_start - start)
            start = max(start, own_end)
        return start, taken

    def _left_out(self, hearer: Hearer) -> Sequence[Span]:
        """Return what a reader does not hear, in order; none reaches into the next."""
        if not (hearer.deaf_to or self.repeats):  # mostly
            return self.spans.get(hearer.session, ())
        spans = [span for session in (hearer.session, *hearer.deaf_to) for span in self.spans.get(session, ())]
        spans += [(start, end) for start, end, places in self.repeats if hearer.was_told(places)]
        found: list[Span] = []
        for start, end in sorted(spans):
            if found and found[-1][1] >= start:
                found[-1] = found[-1][0], max(found[-1][1], end)
            else:
                found.append((start, end))
        return found


class Offer:
    """The last chunk of a log, while it is sent: to whom it is still owed of those that were live when it was sealed.

    It is owed no more to those that it has come to, or that have read it, or will, by themselves; nor to a descriptor
    that is closed meanwhile, also when its number comes again.
    """

    __slots__ = ("_in_part", "_live", "chunk", "order", "owed")

    def __init__(self, chunk: Chunk, order: list[int], live: Mapping[int, Hearer], in_part: set[int]) -> None:
        self.chunk = chunk
        self.order = order  # the descriptors of all, rising
        self.owed = order.copy()  # those of them that it is still owed to
        self._live = live  # by descriptor: of those that it is owed to, it has them
        self._in_part = in_part  # descriptors of those that may not hear all of it, and perhaps of others

    def owes(self, descriptor: int) -> bool:
        """Return whether the chunk has still to come to this reader."""
        at = bisect_left(self.owed, descriptor)
        return self.owed[at : at + 1] == [descriptor]

    def excuse(self, descriptor: int) -> bool:
        """Owe the chunk no more to a reader; return whether it was owed."""
        if owes := self.owes(descriptor):
            del self.owed[bisect_left(self.owed, descriptor)]
        return owes

    def take(self, batch: list[int]) -> Part:
        """Return what is to be sent to those of these, which rise, that hear some of it: it is owed to them no more."""
        owed, data = self.owed, self.chunk.data
        first, last = bisect_left(owed, batch[0]), bisect_right(owed, batch[-1])
        taken, others = owed[first:last], list[int]()
        if taken != batch:  # some were excused, or are between them; else no reader has to be looked at
            others = sorted({*taken}.difference(batch))
            taken = sorted({*taken}.intersection(batch))
        count = len(taken)
        pieces, size = [data] * count, len(data) * count
        if in_part := self._in_part.intersection(taken):
            heard = map(self.chunk.heard_by, map(self._live.__getitem__, in_part))
            for at, piece in zip(map(taken.index, in_part), heard, strict=True):
                pieces[at] = piece
            size = sum(map(len, pieces))
            if not all(pieces):
                taken, pieces = [*compress(taken, pieces)], [*filter(None, pieces)]
        owed[first:last] = others
        return taken, pieces, size


#: Descriptors, what is to be sent to each, and how much it all is.
Part = tuple[list[int], list[bytes], int]

#: What is to be sent at once, and what that is of each of the offers whose chunks go out together.
Batch = tuple[Part, Sequence[tuple[Offer, Part]]]

#: Bytes of a batch, if it goes to several: half a millisecond. So much is copied at once for speakers, because each
#: hears a chunk without what it has said itself.
MAX_BATCH_BYTES = 1 << 20


def batches(offers: Sequence[Offer], size: int) -> Iterator[Batch]:
    """Return what is to be sent of several offers, to at most `size` descriptors each time: it is owed to them no more.

    A reader of several gets them at once, because it is the system call that costs: with one call for each of two busy
    rooms, a delivery cost twice as much (measured, 900 readers). Descriptors rise: negative ones are the first.
    """
    for together, order in _by_readers(offers):
        step = max(1, min(size, MAX_BATCH_BYTES // sum([len(offer.chunk.data) for offer in together])))
        for first in range(0, len(order), step):
            batch = order[first : first + step]
            shares = [(offer, part) for offer in together if (part := offer.take(batch))[0]]
            if shares:
                yield shares[0][1] if len(shares) == 1 else _joined(shares), shares


def _joined(shares: Sequence[tuple[Offer, Part]]) -> Part:
    """Return what is to be sent of several offers, joined for each descriptor; the same is joined once."""
    found: dict[int, tuple[bytes, ...]] = {}
    for _, (descriptors, pieces, _) in shares:
        for descriptor, piece in zip(descriptors, pieces, strict=True):
            found[descriptor] = (*found.get(descriptor, ()), piece)
    joined = {several: b"".join(several) for several in {*found.values()}}
    order = sorted(found)
    return order, [joined[found[descriptor]] for descriptor in order], sum([part[2] for _, part in shares])


def _by_readers(offers: Sequence[Offer]) -> list[tuple[Sequence[Offer], list[int]]]:
    """Return which offers go to the same readers, and to which; those that go to few are first."""
    if len(offers) == 1:
        return [(offers, offers[0].order)]
    which: dict[int, int] = {}  # by descriptor: a bit for each offer
    for number, offer in enumerate(offers):
        bit = 1 << number
        for descriptor in offer.order:
            which[descriptor] = which.get(descriptor, 0) | bit
    found: dict[int, list[int]] = {}
    for descriptor in sorted(which):
        found.setdefault(which[descriptor], []).append(descriptor)
    return [
        ([offer for number, offer in enumerate(offers) if bits >> number & 1], order)
        for bits, order in sorted(found.items(), key=lambda item: len(item[1]))
    ]
