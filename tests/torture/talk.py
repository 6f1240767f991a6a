"""Three people talk in gchat-client under tmux: `python -m tests.torture.talk --minutes 10`. Their screens are read.

Each is in three rooms, on a screen of another size. They talk, paste code, mention each other, write to each other
alone, turn from room to room; one is put out and comes back, one ignores a user, the server ends twice and comes back.
Everything that is said has marks that occur nowhere else. At the end each screen must have each mark that it is to have
once, in one piece, and none that it is not.

Exit codes: 0, that is so; 1, it is not: what is wrong is printed.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from tests.e2e.harness import Server, User, wait_until
from tests.e2e.restarted import Restarted, kills
from tests.e2e.terminals import Terminal

ROOMS = ("lobby", "dev", "ops")

#: Of whom, on how large a screen: the columns, and the lines.
SCREENS = {"ann": (80, 24), "ben": (120, 40), "cat": (40, 12)}

#: The parts of the talk, between which the server ends: first it is killed, then it is told to.
PARTS = 3

#: A user who is not at a terminal, and whom one of the others ignores.
PEST, DEAF = "pest", "ann"

#: Lines of a screen and above it that tmux keeps. Told before the windows are made: they keep what they began with.
KEPT_LINES = 50_000

#: Private messages after which everybody looks at all of them: the client keeps 200 of each conversation.
LOOKED_AT_AFTER = 100

_MARK = re.compile(r"\bw\d+[a-z]+\b")
_RULE = re.compile(r"\s*── (.+?) ──\s*")
_PENDING = "⋯"


class Window(Terminal):
    """gchat-client on a screen of another size, of which much is kept."""

    def __init__(self, directory: Path, server: Server, nick: str) -> None:
        directory.mkdir(exist_ok=True)
        settings = directory / ".config" / "gchat" / "client.toml"
        settings.parent.mkdir(parents=True)
        settings.write_text("rooms = [{}]\n".format(", ".join(f'"{room}"' for room in ROOMS)))
        super().__init__(directory, server, "--nick", nick, room=ROOMS[0])
        self.nick = nick
        width, height = SCREENS[nick]
        size = ["-x", str(width), "-y", str(height)]
        keeps = ["start-server", ";", "set-option", "-g", "history-limit", str(KEPT_LINES), ";"]
        command = self._start[self._start.index("-c") :]
        self._start = ["-u", *keeps, "new-session", "-d", *size, *command]

    def says(self, text: str) -> None:
        """Type a line, and wait until it is sent: what comes together with its end is a paste."""
        self.types(text)
        wait_until(lambda: self._typed.endswith("".join(text.split())[-20:]), f"{self.nick} has typed {text!r}")
        self.enters()

    @property
    def _typed(self) -> str:
        """What stands above the lowest line, without blanks: long lines go on in the next one."""
        return "".join("".join(self.lines[-8:-1]).split())

    def enters(self) -> None:
        """Send what is typed."""
        self.presses("Enter")
        wait_until(lambda: self.is_empty, f"what {self.nick} has typed is sent: {self.lines[-2]!r}")

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands behind the prompt, also when tmux is asked again: a screen may be half drawn."""
        return all(self.lines[-2].rstrip().endswith("]") for _ in range(3))

    def turns_to(self, room: str) -> None:
        """Have a room or, as @nick, a private conversation on the screen."""
        self.says(f"/query {room[1:]}" if room.startswith("@") else f"/join {room}")
        self.is_shown(room)

    def is_shown(self, room: str) -> None:
        """Wait until this room is on the screen, by the lowest line."""
        here = re.compile(rf"\[\d+:{re.escape(room)}( \d+!?)?\]")
        wait_until(lambda: here.search(self.lines[-1]), f"{self.nick} is in {room}: {self.lines[-1]!r}")

    def shows_mark(self, mark: str) -> None:
        """Wait until this is on the screen."""
        wait_until(lambda: any(mark in line for line in self.lines), f"{self.nick} sees {mark}")

    @property
    def is_cut(self) -> bool:
        """Whether the client says that it has no connection."""
        return any(word in self.lines[-1] for word in ("attempt", "connecting"))


def marks_of(screen: Sequence[str]) -> list[str]:
    """Return the marks on a screen, in order, but not of what was shown again as old, or was on its way."""
    found: list[str] = []
    lines = screen[:-2]  # without what is typed, and the toolbar
    titles = {at: rule[1] for at, line in enumerate(lines) if (rule := _RULE.fullmatch(line))}
    rules = [*titles]
    is_old = False
    for at, line in enumerate(lines):
        if at in titles:
            following = next((titles[rule] for rule in rules if rule > at), "")
            is_old = titles[at] not in ("new", "now") and following in ("new", "now")
        elif not is_old and _PENDING not in line:
            found += _MARK.findall(line)
    return found


class Talk:
    """The talk, and what each of its people is to have on the screen at the end."""

    def __init__(self, directory: Path, seconds: float, seed: int) -> None:
        self._directory = directory
        self._seconds = seconds
        self._random = random.Random(seed)
        self._restarted = Restarted(directory / "history.db")
        self._numbers = 0
        self.windows: dict[str, Window] = {}
        self.screens: dict[str, list[str]] = {}  # at the end
        self.marks: dict[str, list[str]] = {}
        self.shown: dict[str, list[tuple[str, ...]]] = {nick: [] for nick in SCREENS}  # the marks of each thing
        self.echoed: set[tuple[str, str]] = set()  # who wrote to another one alone, and the mark of it
        self.done: Counter[str] = Counter()

    def run(self) -> None:
        """Talk until the time is over, in three parts between which the server ends."""
        with ExitStack() as stack:
            try:
                self._run(stack)
            finally:
                self.screens = {nick: window.history for nick, window in self.windows.items()}
        self.marks = {nick: marks_of(lines) for nick, lines in self.screens.items()}

    def _run(self, stack: ExitStack) -> None:
        for part in range(PARTS):
            with self._restarted.runs() as server, self._pest(server) as pest:
                if not self.windows:
                    self._enter(stack, server)
                self._part(pest, time.monotonic() + self._seconds / PARTS)
                if part == PARTS - 1:
                    self._look_everywhere()
                    return
                if part == 0:
                    self._kick()
                self._says(self._any(), 1)
                if part == 0:
                    kills(server)
            wait_until(lambda: all(window.is_cut for window in self.windows.values()), "all are cut off")
            self._says(self._any(), 1)
            self.done["the server ended"] += 1

    def _enter(self, stack: ExitStack, server: Server) -> None:
        for nick in SCREENS:
            window = self.windows[nick] = stack.enter_context(Window(self._directory / nick, server, nick))
            window.is_shown(ROOMS[0])
        self.windows[DEAF].says(f"/ignore {PEST}")
        self.windows[DEAF].shows(f"what {PEST} says any more")

    @contextmanager
    def _pest(self, server: Server) -> Iterator[User]:
        """Be there as the user who is ignored, when all others are there."""
        wait_until(lambda: not any(window.is_cut for window in self.windows.values()), "all are back")
        with server.join(PEST) as pest:
            yield pest
            with suppress(OSError):
                pest.says("/quit")

    def _any(self) -> Window:
        return self._random.choice([*self.windows.values()])

    def _part(self, pest: User, until: float) -> None:
        acts = {self._says: 10, self._pastes: 3, self._mentions: 2, self._writes_alone: 3, self._turns: 5}
        for window in self.windows.values():
            window.turns_to(self._random.choice(ROOMS))
        while time.monotonic() < until:
            (act,) = self._random.choices([*acts], [*acts.values()])
            act(self._any())
            if self._random.random() < 0.1:
                mark = self._mark()
                pest.says(f"{mark} nobody wants to know")
                self._expect([nick for nick in SCREENS if nick != DEAF], mark)
        self._settle()

    def _mark(self, letter: str = "a") -> str:
        self._numbers += letter == "a"
        return f"w{self._numbers}{letter}"

    def _expect(self, nicks: Sequence[str], *marks: str) -> None:
        for nick in nicks:
            self.shown[nick].append(marks)

    def _says(self, window: Window, pieces: int = 0) -> None:
        """Say one line, of one piece or more: long lines go on in the next one of a narrow screen."""
        pieces = pieces or self._random.randint(1, 4)
        marks = [self._mark(letter) for letter in "abcd"[:pieces]]
        window.says(" and so on, ".join(f"{mark} is what I think of it" for mark in marks))
        self._expect([*SCREENS], *marks)
        self.done["lines"] += 1

    def _mentions(self, window: Window) -> None:
        other = self._random.choice([nick for nick in SCREENS if nick != window.nick])
        mark = self._mark()
        window.says(f"{other}: {mark} what do you think?")
        self._expect([*SCREENS], mark)
        self.done["mentions"] += 1

    def _pastes(self, window: Window) -> None:
        marks = [self._mark(letter) for letter in "abcde"[: self._random.randint(2, 5)]]
        window.pastes("\n".join(f"{'    ' * at}if {mark}:" for at, mark in enumerate(marks)))
        window.shows_mark(marks[-1])
        window.enters()
        self._expect([*SCREENS], *marks)
        self.done["pastes of code"] += 1

    def _writes_alone(self, window: Window) -> None:
        other = self._random.choice([nick for nick in SCREENS if nick != window.nick])
        mark = self._mark()
        window.says(f"/msg {other} {mark} between us")
        self._expect([window.nick, other], mark)
        self.echoed.add((window.nick, mark))
        self.done["private messages"] += 1
        if not self.done["private messages"] % LOOKED_AT_AFTER:
            self._look_everywhere()

    def _turns(self, window: Window) -> None:
        window.turns_to(self._random.choice(ROOMS))
        self.done["turns to another room"] += 1

    def _settle(self) -> None:
        """Wait until nothing is on its way: everybody has said something that everybody has."""
        for window in self.windows.values():
            window.turns_to(ROOMS[0])
        for window in self.windows.values():
            mark = self._mark()
            window.says(mark)
            self._expect([*SCREENS], mark)
            for other in self.windows.values():
                other.shows_mark(mark)

    def _kick(self) -> None:
        """Have the first one, who is an operator of all rooms but the lobby, put the last one out, who comes back."""
        operator, victim = self.windows["ann"], self.windows["cat"]
        operator.turns_to("dev")
        operator.says("/kick cat too loud")
        operator.shows("put cat out of dev")
        victim.turns_to("dev")
        self._look_everywhere()
        self.done["users put out"] += 1

    def _look_everywhere(self) -> None:
        """Have everybody turn to each room and each private conversation."""
        for nick, window in self.windows.items():
            for room in (*ROOMS, *(f"@{other}" for other in SCREENS if other != nick), ROOMS[0]):
                window.turns_to(room)

    def faults(self) -> list[str]:
        """Return what is missing, doubled, torn, or should not be there, on all screens."""
        found = []
        for nick, marks in self.marks.items():
            counts, places = Counter(marks), {mark: at for at, mark in enumerate(marks)}
            expected = {mark for thing in self.shown[nick] for mark in thing}
            found += [f"{nick}: {mark} is missing" for mark in sorted(expected - counts.keys())]
            found += [
                f"{nick}: {mark} is there {count} times"
                for mark, count in counts.items()
                if count > 1 + ((nick, mark) in self.echoed)  # it stands where it was written, and in the conversation
            ]
            found += [f"{nick}: {mark} should not be there" for mark in sorted(counts.keys() - expected)]
            for first, *others in self.shown[nick]:
                at = places.get(first)
                if at is not None and marks[at : at + 1 + len(others)] != [first, *others]:
                    found.append(f"{nick}: {first} is torn: {marks[at : at + 1 + len(others)]}")
        return found


def main() -> int:
    """Have them talk, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.talk", description=__doc__, allow_abbrev=False)
    parser.add_argument("--minutes", type=float, default=10.0, metavar="N", help="how long they talk (10)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all that is random (1)")
    parser.add_argument("--keep", metavar="DIR", help="where the screens are written, to look at them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gchat-talk-") as directory:
        talk = Talk(Path(directory), options.minutes * 60, options.seed)
        with ExitStack() as stack:
            if options.keep:
                stack.callback(_keep, talk, Path(options.keep))
            talk.run()
        faults = talk.faults()
    for name, value in talk.done.items():
        print(f"{name:28} {value:>8,}")
    for nick, marks in talk.marks.items():
        print(f"{'marks on the screen of ' + nick:28} {len(marks):>8,}")
    for fault in faults:
        print(fault)
    print("failed" if faults else "passed")
    return 1 if faults else 0


def _keep(talk: Talk, directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    for nick, lines in talk.screens.items():
        (directory / f"{nick}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
