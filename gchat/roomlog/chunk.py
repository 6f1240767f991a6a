"""Chunks: what a room is told in one turn, encoded once, and the offer of a chunk to all that are to get it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Protocol

#: What was appended at once: its position, the number of its first message or of the next one, how many it has, and its
#: tick. Several messages are one line each. One, or none, is any number of lines, or bytes that have no lines at all.
Piece = tuple[int, int, int, int]

#: Where what a session said begins and ends.
Span = tuple[int, int]

#: Sessions that a reader does not hear: itself, and those it is deaf to.
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

    @property
    def unheard(self) -> Sessions:
        """See Cursor.unheard."""

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
        data, offset, unheard = self.data, self.start, hearer.unheard
        at, parts = 0, []  # list[bytes]() is several times as dear
        simple = len(unheard) == 1 and not self.repeats
        for start, end in self.spans.get(unheard[0], ()) if simple else self._left_out(hearer):
            parts.append(data[at : start - offset])
            at = end - offset
        parts.append(data[at:])
        return b"".join(parts)

    def hear(self, parts: list[bytes], hearer: Hearer, start: int, end: int) -> int:
        """Add to `parts` what a reader hears between two positions; return how many bytes that is."""
        data, offset, unheard = self.data, self.start, hearer.unheard
        simple = len(unheard) == 1 and not self.repeats
        spans = self.spans.get(unheard[0]) if simple else self._left_out(hearer)
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
        spans = [span for session in hearer.unheard for span in self.spans.get(session, ())]
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

    __slots__ = ("chunk", "listeners", "owed", "speakers")

    def __init__(self, chunk: Chunk, listeners: Iterable[int], speakers: Mapping[int, Hearer]) -> None:
        self.chunk = chunk
        self.listeners = sorted(listeners)
        self.speakers = speakers  # by descriptor: to them it goes in part
        self.owed = {*self.listeners, *speakers}


#: Offers whose chunks go out together, the descriptors to send to, what is to be sent to each, and how much it all is.
Batch = tuple[Sequence[Offer], list[int], list[bytes], int]


#: Bytes of a batch, if it goes to several: half a millisecond. So much is copied at once for speakers, because each
#: hears a chunk without what it has said itself.
MAX_BATCH_BYTES = 1 << 20


def batches(offers: Sequence[Offer], size: int) -> Iterator[Batch]:
    """Return what is to be sent of several offers, to at most `size` descriptors each time: it is owed to them no more.

    A reader of several gets them at once, because it is the system call that costs: with one call for each of two busy
    rooms, a delivery cost twice as much (measured, 900 readers). Negative descriptors are the first of a batch.
    """
    for offer in offers:
        speakers, owed, heard_by = offer.speakers, offer.owed, offer.chunk.heard_by
        order = sorted(speakers)
        step = max(1, min(size, MAX_BATCH_BYTES // len(offer.chunk.data)))
        for first in range(0, len(order), step):
            some = order[first : first + step]
            heard = {at: data for at in some if at in owed and (data := heard_by(speakers[at]))}
            owed.difference_update(some)
            if heard:
                yield (offer,), [*heard], [*heard.values()], sum(map(len, heard.values()))
    for together, descriptors in _by_readers(offers):
        data = b"".join([offer.chunk.data for offer in together])
        step = max(1, min(size, MAX_BATCH_BYTES // len(data)))
        for first in range(0, len(descriptors), step):
            batch = descriptors[first : first + step]
            if all(offer.owed.issuperset(batch) for offer in together):
                for offer in together:
                    offer.owed.difference_update(batch)
                yield _same(together, batch, data)
            else:  # somebody has stepped aside, but not in each
                for offer in together:
                    if some_owed := [descriptor for descriptor in batch if descriptor in offer.owed]:
                        offer.owed.difference_update(some_owed)
                        yield _same((offer,), some_owed, offer.chunk.data)


def _same(offers: Sequence[Offer], descriptors: list[int], data: bytes) -> Batch:
    """Return a batch of which all get the same."""
    count = len(descriptors)
    return offers, descriptors, [data] * count, len(data) * count


def _by_readers(offers: Sequence[Offer]) -> list[tuple[Sequence[Offer], list[int]]]:
    """Return which offers go to the same listeners, and to which; those that go to few are first."""
    if len(offers) == 1:
        return [(offers, offers[0].listeners)]
    which: dict[int, int] = {}  # by descriptor: a bit for each offer
    for number, offer in enumerate(offers):
        bit = 1 << number
        for descriptor in offer.listeners:
            which[descriptor] = which.get(descriptor, 0) | bit
    found: dict[int, list[int]] = {}
    for descriptor, bits in which.items():
        found.setdefault(bits, []).append(descriptor)
    return [
        ([offer for number, offer in enumerate(offers) if bits >> number & 1], descriptors)
        for bits, descriptors in sorted(found.items(), key=lambda item: len(item[1]))
    ]
