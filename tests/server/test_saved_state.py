"""What outlives a run: what is stored is there again, and a note that says nonsense opens no room."""

from __future__ import annotations

from gchat.chat.effects import SaveModes
from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.chat.room_modes import CLOSED, Modes
from gchat.server.saved_state import note, restore


class Paper:
    """Notes that are kept in a dictionary."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str], bytes] = {}

    def note(self, kind: str, key: str, value: bytes) -> None:
        self.all[kind, key] = value

    def notes(self, kind: str) -> dict[str, bytes]:
        return {key: value for (other, key), value in self.all.items() if other == kind and value}


def restored(paper: Paper) -> Registry:
    registry = Registry(Limits())
    restore(registry, paper, 0.0)
    return registry


def test_modes_and_cloaks_are_the_same_in_the_next_run() -> None:
    paper = Paper()
    before = restored(paper)
    note(paper, SaveModes("dev", Modes("in", key="tea")))
    note(paper, SaveModes("open", None))
    after = restored(paper)

    assert after.rooms.modes == {"dev": Modes("in", key="tea")}
    assert after.rooms.cloaks.of("192.0.2.7") == before.rooms.cloaks.of("192.0.2.7")
    assert restored(Paper()).rooms.cloaks.of("192.0.2.7") != before.rooms.cloaks.of("192.0.2.7"), "another server"


def test_a_room_whose_modes_cannot_be_read_is_closed_and_the_others_are_as_they_were() -> None:
    paper = Paper()
    note(paper, SaveModes("dev", Modes(key="tea")))
    paper.all["modes", "torn"] = b'{"flags":"i'
    paper.all["modes", "odd"] = b'{"flags":"x"}'
    registry = restored(paper)

    assert registry.rooms.modes == {"dev": Modes(key="tea"), "torn": CLOSED, "odd": CLOSED}
