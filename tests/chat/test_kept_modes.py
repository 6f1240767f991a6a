"""The modes of all rooms: what is stored, and that a flood of rooms with modes drives out nobody else's (T62)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.chat import kept_modes, masks
from gchat.chat.effects import SaveModes
from gchat.chat.kept_modes import KeptModes
from gchat.chat.room_modes import USUAL, Modes


def kept(*in_use: str) -> KeptModes:
    return KeptModes(in_use.__contains__)


def test_a_room_has_the_usual_modes_until_others_are_stored() -> None:
    all_modes = kept()

    assert all_modes["dev"] is USUAL
    assert all_modes.keep("dev", Modes(key="K")) == [SaveModes("dev", Modes(key="K"))]
    assert all_modes.keep("dev", Modes(key="K")) == []
    assert all_modes["dev"].key == "K"
    assert all_modes.keep("dev", Modes()) == [SaveModes("dev", None)]
    assert "dev" not in all_modes


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_modes, "MAX_SIZE", 10 * kept_modes.ROOM_SIZE)
    monkeypatch.setattr(kept_modes, "DROPPED_TO", 8 * kept_modes.ROOM_SIZE)


@pytest.mark.usefixtures("small")
def test_a_flood_of_rooms_from_one_network_drives_out_its_own() -> None:
    all_modes = kept("flood-0")
    all_modes.keep("ours", Modes("i", network="us"))
    effects = [effect for n in range(40) for effect in all_modes.keep(f"flood-{n}", Modes("i", network="them"))]
    dropped = [effect.room for effect in effects if isinstance(effect, SaveModes) and effect.modes is None]

    assert "ours" in all_modes
    assert "flood-0" in all_modes, "somebody is there"
    assert "flood-39" in all_modes
    assert dropped[:2] == ["flood-1", "flood-2"]
    assert len(all_modes) <= 10


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["a", "b"]), st.booleans()), max_size=100))
def test_what_is_stored_is_what_is_kept(changes: list[tuple[int, str, bool]]) -> None:
    all_modes, stored = kept("0", "1", "2"), dict[str, Modes]()
    for room, network, is_usual in changes:
        for effect in all_modes.keep(str(room), USUAL if is_usual else Modes("im", network=network)):
            assert isinstance(effect, SaveModes)
            stored.pop(effect.room, None)
            if effect.modes is not None:
                stored[effect.room] = effect.modes

    again = kept()
    again.restore(stored)
    assert dict(all_modes) == stored
    assert all_modes._size == again._size <= kept_modes.MAX_SIZE + 100


def test_a_list_is_at_hand_before_a_user_is_compared_with_it() -> None:
    """A user may enter fifty rooms with full lists at once."""
    all_modes = kept("dev")
    all_modes.keep("dev", Modes(bans=("nobody-has-this!*@*",), exceptions=("nor-this!*@*",)))
    made = masks._list.cache_info().misses
    masks.prepare(all_modes["dev"].bans, all_modes["dev"].exceptions)

    assert masks._list.cache_info().misses == made
