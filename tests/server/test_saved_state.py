"""What outlives a run: what is stored is there again, and a note that says nonsense opens no room."""

from __future__ import annotations

from gchat.chat.accounts import Account
from gchat.chat.effects import Effect, SaveAccount, SaveModes, SaveOperators, SavePenalties
from gchat.chat.limits import Limits
from gchat.chat.penalties import Penalty
from gchat.chat.registry import Registry
from gchat.chat.room_modes import CLOSED, Modes
from gchat.server.saved_state import restore, saving


class Paper:
    """Notes that are kept in a dictionary."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str], bytes] = {}
        self.kept: dict[tuple[str, str], bytes] = {}  # what is stored for certain

    def note(self, kind: str, key: str, value: bytes) -> None:
        self.all[kind, key] = value

    def keep(self) -> None:
        self.kept = dict(self.all)

    def notes(self, kind: str) -> dict[str, bytes]:
        return {key: value for (other, key), value in self.all.items() if other == kind and value}


def note(paper: Paper, effect: Effect) -> None:
    saving(paper)[type(effect)](effect)


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


def test_bans_mutes_and_operators_are_the_same_in_the_next_run() -> None:
    paper = Paper()
    ban = Penalty(3, "nick", "mallory", "spam", 1.0, 4e9, "alice", (("lineage", "a" * 32), ("address", "192.0.2.7")))
    mute = Penalty(5, "nick", "eve", "", 1.0)
    over = Penalty(4, "nick", "bob", "spam", 1.0, 2.0)
    for effect in (
        SavePenalties("bans", (ban, over)),
        SavePenalties("mutes", (mute,)),
        SaveOperators(("Alice", "bob")),
    ):
        note(paper, effect)
    order = restored(paper).order

    assert (order.bans.all, order.mutes.all) == ({3: ban}, {5: mute})
    assert order.bans.of_address("192.0.2.7") == ban
    assert order.granted == {"alice": "Alice", "bob": "bob"}


def test_a_ban_of_an_older_version_is_in_force() -> None:
    paper = Paper()
    paper.all["bans", "all"] = (
        b'[{"id":1,"kind":"network","value":"192.0.2.0/24","reason":"x","created":1.0,"until":0.0}]'
    )
    assert restored(paper).order.bans.of_address("192.0.2.9")


def test_what_somebody_is_told_to_have_for_good_is_stored_before_that() -> None:
    paper = Paper()
    note(paper, SaveModes("dev", Modes("in")))
    assert not paper.kept
    note(paper, SaveAccount("alice", Account("alice", "hash", "lineage", 0.0)))
    assert {kind for kind, _ in paper.kept} == {"modes", "account"}
