"""Leavings: what a reader is still owed of logs that it follows no more, in its place among its own lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from operator import itemgetter

from gchat.model.audience import OwnLines
from gchat.roomlog.cursor import Cursor
from gchat.roomlog.log import RoomLog

#: Own lines, and their place: a tick, and what that is in the log that was followed first, so as not to search for it.
Own = tuple[int, RoomLog | None, int, OwnLines]

#: What is heard of a log, with its ticks.
_Heard = list[tuple[int, bytes]]

_TICK = itemgetter(0)


def leavings(cursors: Sequence[Cursor], own: list[Own], limit: int, skip: Callable[[Cursor, int], bytes]) -> list[Own]:
    """Return own lines with what is owed of these cursors, which have left their logs, at most `limit` bytes of it.

    Of logs of which more is owed, those of which most is, there is what `skip` returns for the messages of a cursor
    before a number.
    """
    told: list[Iterable[tuple[int, bytes | Own]]] = []
    owing = sorted(filter(_to_come, cursors), key=_to_come)
    cuts = [tick for tick, _ in _by_ticks(own)] if len(owing) == 1 else None  # mostly; there it is much cheaper
    for cursor in owing:
        heard = _heard(cursor, cuts, limit)
        limit = -1 if heard is None else limit - sum(len(data) for _, data in heard)
        told.append(_missed(cursor, skip) if heard is None else heard)
    told.append(_by_ticks(own))
    lines: list[Own] = []
    run: list[bytes] = []  # of the logs, between own lines
    tick = 0
    for upto, line in merge(*told, key=_TICK):
        if isinstance(line, bytes):
            run.append(line)
            tick = upto
        else:
            lines += ((tick, None, 0, OwnLines(b"".join(run))), line)
            run = []
    lines.append((tick, None, 0, OwnLines(b"".join(run))))
    return [line for line in lines if line[3].data]


def _by_ticks(own: list[Own]) -> Iterator[tuple[int, Own]]:
    tick = 0
    for line in own:
        tick = max(tick, line[0])  # one that was told while no log was followed has none
        yield tick, line


def _to_come(cursor: Cursor) -> int:
    """Return how many bytes there are behind a cursor, also of the turn not yet sealed, and its own words."""
    return cursor.log.open_end - cursor.position


def _heard(cursor: Cursor, cuts: list[int] | None, limit: int) -> _Heard | None:
    """Return all that a cursor hears, None if that is over `limit` bytes, or the ring has lost some of it."""
    if limit < 0 or cursor.position < cursor.log.start:
        return None
    heard: _Heard = []
    for tick, data in cursor.told(cuts):
        limit -= len(data)
        if limit < 0:
            return None
        heard.append((tick, data))
    return heard


def _missed(cursor: Cursor, skip: Callable[[Cursor, int], bytes]) -> _Heard:
    """Return one line for all that is to come, where that begins."""
    cursor.rest()
    missed = [(cursor.next_tick, skip(cursor, cursor.log.open_seq))]
    cursor.miss(cursor.log.open_end)
    return missed
