"""The oracle: what was said, what was shown, and what the history has in the end, held against each other.

Pure: it knows no server. A reader is checked while it reads, against one table that all share, for nobody could keep
what fifty readers saw of a million messages; everything else is checked when the history is there. A history is, for
each room, what text has which number.

Where several nodes share an engine, the engine may lose what was shown. Then the room's epoch changes, and each node
says which messages are gone; `Epochs` holds against each other what is gone and what was said of it. The history is of
the last epoch of each room.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

Texts = dict[int, str]  # by number

Log = tuple[str, str]  # a room, and one of its epochs

#: Examples that are kept of each kind of anomaly.
MAX_EXAMPLES = 10

#: In place of the number that an acknowledgement gave: there was none, or a refusal was the last word.
UNKNOWN, REFUSED = 0, -1


class Kind(StrEnum):
    """What must never be."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    GAP = "unannounced gap"
    NOT_STORED = "shown but not stored"
    DIFFERENT = "same seq, different text"
    ORDER = "per-sender order broken"
    REFUSED = "refused but stored"
    HOLE = "hole in the stored numbers"
    MISCOUNTED = "loss told wrongly"
    UNEXPECTED = "unexpected"


class Findings:
    """The anomalies, counted, and the first few of each kind in words."""

    def __init__(self) -> None:
        self.counts: Counter[Kind] = Counter()
        self.examples: dict[Kind, list[str]] = {}

    def add(self, kind: Kind, what: str, count: int = 1) -> None:
        """Count an anomaly."""
        self.counts[kind] += count
        examples = self.examples.setdefault(kind, [])
        if len(examples) < MAX_EXAMPLES:
            examples.append(what)


# --- While it runs ---------------------------------------------------------------------------------------------------


class View:
    """What one reader has been told of one epoch of one room, over all its connections.

    1. `last` is the highest number that it was told, or was told it missed; what comes next is the number after it.
    2. `shown` is everybody's: what text was first seen with which number.
    """

    __slots__ = ("_findings", "_missed", "_shown", "epoch", "last", "skipped", "who")

    def __init__(self, who: str, last: int, shown: Texts, findings: Findings, epoch: str = "") -> None:
        self.who = who
        self.epoch = epoch
        self.last = last
        self.skipped = 0  # messages that it was told it missed
        self._missed: list[tuple[int, int]] = []  # what it has not seen below `last`: announced, and not
        self._shown = shown
        self._findings = findings

    def told(self, seq: int, text: str) -> None:
        """Take the next message."""
        if self._shown.setdefault(seq, text) != text:
            self._findings.add(Kind.DIFFERENT, f"{self.who} saw {text} as {seq}, another saw {self._shown[seq]}")
        if seq == self.last + 1:
            self.last = seq
        elif seq > self.last:
            self._miss(seq - 1)
            self.last = seq
        elif any(first <= seq <= last for first, last in self._missed):
            self._findings.add(Kind.REORDERED, f"{self.who} saw {seq} {text} after {self.last}")
        else:
            self._findings.add(Kind.DOUBLED, f"{self.who} saw {seq} {text} again, after {self.last}")

    def acknowledged(self, seq: int, text: str) -> None:
        """Take the number of what the reader said itself: it stands in its place; or is an old one, if asked again."""
        if seq > self.last:
            self.told(seq, text)
        elif self._shown.setdefault(seq, text) != text:
            self._findings.add(Kind.DIFFERENT, f"{self.who} said {text}, which is {seq}; so is {self._shown[seq]}")

    def skips(self, first: int, last: int) -> None:
        """Take a notice of what was skipped; it must begin where the reader stands."""
        if first > self.last + 1:
            self._miss(first - 1)
        elif first <= self.last or last < first:
            self._findings.add(Kind.GAP, f"{self.who} has {self.last} and is told that {first} to {last} are missing")
        self._missed.append((first, last))
        self.skipped += last - first + 1
        self.last = max(self.last, last)

    def ends(self, last: int) -> None:
        """Take what the room's last number is, when nothing more will come."""
        if self.last < last:
            self._miss(last)

    def _miss(self, last: int) -> None:
        first = self.last + 1
        self._findings.add(Kind.GAP, f"{self.who} was never told of {first} to {last}", last - first + 1)
        self._missed.append((first, last))


def text_of(sender: int, number: int) -> str:
    """Return what a sender says as its message of this number: nobody says it twice."""
    return f"s{sender:02}-{number:06}"


def origin(text: str) -> tuple[int, int]:
    """Return the sender and the number of a text. Raises ValueError if nobody says such a thing."""
    sender, _, number = text.partition("-")
    found = int(sender[1:]), int(number)
    if text_of(*found) != text:
        raise ValueError(text)
    return found


class Said:
    """What one sender said in one room and what it heard of that; its messages are numbered from 1."""

    def __init__(self, sender: int, room: str) -> None:
        self.sender = sender
        self.room = room
        self.seqs = array("q", [UNKNOWN])  # by message: what the last word on it was
        self.epochs: list[str] = [""]  # by message: in which epoch it has that number
        self.again: set[int] = set()  # messages that were sent on more than one connection
        self._sends = array("q", [0])  # by message: when it was sent last, as the sender's so many-th
        self._earlier: dict[int, list[int]] = {}  # and before that, if that may be what counts
        self._count = 0

    def send(self, number: int) -> None:
        """Note that a message is sent: a new one, or one that was refused."""
        self._count += 1
        if number == len(self.seqs):
            self.seqs.append(UNKNOWN)
            self.epochs.append("")
            self._sends.append(self._count)
        else:
            self.seqs[number], self._sends[number] = UNKNOWN, self._count
            self._earlier.pop(number, None)

    def send_again(self, number: int, *, may_be_refused: bool) -> None:
        """Note that a message is sent once more, for the answer was lost.

        If that cannot have been a refusal, its place among the others is still that of the first time.
        """
        self.again.add(number)
        if may_be_refused:
            self._count += 1
            self._earlier.setdefault(number, []).append(self._sends[number])
            self._sends[number] = self._count

    def sent(self, number: int, after: int) -> int:
        """Return when a message was sent, if possible `after` then. Raises IndexError if it never was."""
        last = self._sends[number]
        return next((sent for sent in self._earlier.get(number, ()) if sent > after), last)

    def acknowledge(self, number: int, seq: int, findings: Findings, epoch: str = "") -> None:
        """Note the number in the room that a message has."""
        before = self.seqs[number]
        if before > 0 and before != seq and self.epochs[number] == epoch:
            findings.add(Kind.DOUBLED, f"{text_of(self.sender, number)} is {before}, and then {seq}")
        self.seqs[number], self.epochs[number] = seq, epoch

    def refuse(self, number: int) -> None:
        """Note that a message was refused."""
        self.seqs[number] = REFUSED


class Epochs:
    """The epochs of all rooms, in the order in which they were first seen, and what nodes said is gone of each."""

    def __init__(self) -> None:
        self.of_room: dict[str, list[str]] = {}
        self.told: dict[Log, dict[str, tuple[int, int, int]]] = {}  # by node: how many are gone; from, and to
        self.skipped: dict[Log, set[int]] = {}  # what some reader was told it missed: shown, but perhaps seen by nobody

    def see(self, room: str, epoch: str) -> bool:
        """Take the epoch of a room; return whether it is a new one, and not the first."""
        seen = self.of_room.setdefault(room, [])
        if epoch in seen:
            return False
        seen.append(epoch)
        return len(seen) > 1

    def last(self, room: str) -> str:
        """Return the newest epoch of a room, "" if there is none."""
        return self.of_room.get(room, [""])[-1]

    def tell(self, log: Log, node: str, gone: tuple[int, int, int], findings: Findings) -> None:
        """Take what a node says is gone: each of its readers is told the same."""
        before = self.told.setdefault(log, {}).setdefault(node, gone)
        if before != gone:
            findings.add(Kind.MISCOUNTED, f"{node} says of {log} that {before} are gone, and that {gone} are")

    def skip(self, log: Log, first: int, last: int) -> None:
        """Take what a reader is told it has missed."""
        self.skipped.setdefault(log, set()).update(range(first, last + 1))

    def is_told(self, log: Log, seq: int) -> bool:
        """Return whether a node has said that this message is gone."""
        return any(first <= seq <= last for _, first, last in self.told.get(log, {}).values())


# --- In the end ------------------------------------------------------------------------------------------------------


def places(history: Mapping[str, Texts], findings: Findings) -> dict[str, dict[str, int]]:
    """Return for each room which number each text has; none may have two, and no number may be left out."""
    found: dict[str, dict[str, int]] = {}
    for room, texts in history.items():
        numbers = found[room] = {}
        last = 0
        for seq, text in texts.items():
            if seq != last + 1:
                findings.add(Kind.HOLE, f"{room}: {seq} comes after {last}", max(1, seq - last - 1))
            last = seq
            if numbers.setdefault(text, seq) != seq:
                findings.add(Kind.DOUBLED, f"{room}: {text} is stored as {numbers[text]} and as {seq}")
    return found


def check_said(
    said: Iterable[Said],
    history: Mapping[str, Texts],
    where: Mapping[str, Mapping[str, int]],
    findings: Findings,
    epochs: Epochs | None = None,
) -> None:
    """Check each message: what was acknowledged is stored, with that number, and what was refused is not.

    What was told to be gone need not be stored.
    """
    for log in said:
        stored, numbers = history.get(log.room, {}), where.get(log.room, {})
        for number, seq in enumerate(log.seqs):
            text = text_of(log.sender, number)
            if seq > 0 and stored.get(seq) != text:
                if epochs is not None and epochs.is_told((log.room, log.epochs[number]), seq):
                    continue
                if text in numbers:
                    findings.add(Kind.DIFFERENT, f"{text} was acknowledged as {seq}, and is stored as {numbers[text]}")
                else:
                    findings.add(Kind.LOST, f"{text} was acknowledged as {seq}; there is stored {stored.get(seq)}")
            elif seq == REFUSED and text in numbers:
                again = " when it was sent again" if number in log.again else ""
                findings.add(Kind.REFUSED, f"{text} was refused{again}, and is stored as {numbers[text]}")


def check_order(said: Iterable[Said], history: Mapping[str, Texts], findings: Findings) -> None:
    """Check that what each sender said stands in the order in which it was sent."""
    logs = {log.sender: log for log in said}
    for room, texts in history.items():
        before = dict.fromkeys(logs, (0, ""))
        for text in texts.values():
            try:
                sender, number = origin(text)
                log = logs[sender]
                sent = log.sent(number, before[sender][0])
            except (ValueError, LookupError):
                findings.add(Kind.UNEXPECTED, f"{room}: {text} is stored, and nobody has said it")
                continue
            if log.room != room:
                findings.add(Kind.UNEXPECTED, f"{text} was said in {log.room} and is stored in {room}")
            if sent < before[sender][0]:
                findings.add(Kind.ORDER, f"{room}: {text} stands after {before[sender][1]}, and was said before it")
            before[sender] = (sent, text)


def check_shown(shown: Mapping[str, Texts], history: Mapping[str, Texts], findings: Findings) -> None:
    """Check that everything that anybody saw with a number is stored with that number."""
    for room, texts in shown.items():
        stored = history.get(room, {})
        for seq, text in texts.items():
            kept = stored.get(seq)
            if kept is None:
                findings.add(Kind.NOT_STORED, f"{room}: {text} was shown as {seq}, which is not stored")
            elif kept != text:
                findings.add(Kind.DIFFERENT, f"{room}: {text} was shown as {seq}, where {kept} is stored")


def check_epochs(
    epochs: Epochs,
    shown: Mapping[Log, Texts],
    history: Mapping[str, Texts],
    said: Sequence[Said],
    findings: Findings,
) -> None:
    """Check what was shown in epochs that are over: what is gone of it was told, all of it and no more, by each node.

    A node tells what it had shown itself, which may be less than another had; the one that had shown most tells all.
    """
    for room, seen in epochs.of_room.items():
        for epoch, following in pairwise(seen):
            texts = shown.get((room, epoch), {})
            later = {**history.get(room, {}), **shown.get((room, following), {})}
            gone = [seq for seq, text in texts.items() if later.get(seq) != text]
            told = epochs.told.get((room, epoch), {})
            unseen = epochs.skipped.get((room, epoch), set()) - texts.keys()
            _check_told(f"{room} in {epoch}", gone, unseen, told, findings)
            refused = {text_of(log.sender, at) for log in said for at, seq in enumerate(log.seqs) if seq == REFUSED}
            for seq, text in texts.items():
                # What is told to be gone was not said in the end, so it may have been refused after all.
                if text in refused and not epochs.is_told((room, epoch), seq):
                    findings.add(Kind.REFUSED, f"{text} was refused, and shown in {room} in {epoch}")


def _check_told(
    what: str, gone: Sequence[int], unseen: set[int], told: Mapping[str, tuple[int, int, int]], findings: Findings
) -> None:
    """Check what was told of a log; what is `unseen` may be gone, too, because nobody knows what it was."""
    if gone and not told:
        findings.add(
            Kind.LOST, f"{what}: {min(gone)} to {max(gone)} were shown and are gone, and nobody said so", len(gone)
        )
    shown = unseen.union(gone)
    for node, (count, first, last) in told.items():
        known = min(gone, default=last)
        is_first = first <= known and shown.issuperset(range(first, known))
        if count != last - first + 1 or not shown or not is_first or not first <= last <= max(shown):
            is_gone = f"{min(gone)} to {max(gone)} are" if gone else "nothing is"
            findings.add(Kind.MISCOUNTED, f"{what}: {node} says that {count} ({first}-{last}) are gone; {is_gone}")
    if gone and told and max(last for _, _, last in told.values()) < max(gone):
        findings.add(Kind.MISCOUNTED, f"{what}: {max(gone)} was shown and is gone; nodes say {dict(told)}")


def lines(room: str, epochs: Epochs, shown: Mapping[Log, Texts], texts: Texts) -> dict[str, list[int]]:
    """Return where each text stands in a room, over all its epochs: a later one stands behind an earlier one."""
    found: dict[str, list[int]] = {}
    seen = epochs.of_room.get(room, [""])
    for at, epoch in enumerate(seen):
        here = texts if epoch == seen[-1] else shown.get((room, epoch), {})
        for seq, text in here.items():
            found.setdefault(text, []).append(at << 40 | seq)
    return found


def check_plain(who: str, texts: Iterable[str], numbers: Mapping[str, Sequence[int]], findings: Findings) -> None:
    """Check what one connection saw without numbers: all of it is stored, or was shown to others, and rises."""
    last = 0
    for text in texts:
        places = numbers.get(text)
        if not places:
            findings.add(Kind.NOT_STORED, f"{who} saw {text}, which is not stored")
            continue
        seq = next((place for place in places if place > last), places[-1])
        if seq > last:
            last = seq
        else:
            kind = Kind.DOUBLED if seq == last else Kind.REORDERED
            findings.add(kind, f"{who} saw {text}, which is {seq}, after {last}")
