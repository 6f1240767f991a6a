"""Which nick has which colour."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gchat.client.nick_colours import DISTINCT, NickColours
from gchat.client.styles import NICK_COLOURS, STYLES


def test_a_nick_has_one_colour_however_it_is_written() -> None:
    colours = NickColours()
    assert colours.style("Bob") == colours.style("bob") == colours.style("ｂｏｂ")


def test_a_nick_has_the_same_colour_the_next_time() -> None:
    assert len({NickColours().style("alice") for _ in range(3)}) == 1


def test_every_colour_is_used_and_has_a_style() -> None:
    used = {NickColours().style(f"user{number}") for number in range(500)}
    assert len(used) == len(NICK_COLOURS) > 16
    assert {style.removeprefix("class:") for style in used} <= set(STYLES)


@given(st.lists(st.sampled_from([f"user{number}" for number in range(40)]), min_size=1))
def test_people_who_talk_at_the_same_time_have_different_colours(speakers: list[str]) -> None:
    colours = NickColours()
    shown = [(name, colours.style(name)) for name in speakers]
    recent: dict[str, str] = {}
    for name, style in reversed(shown):
        if len(recent) == DISTINCT:
            break
        recent.setdefault(name, style)
    assert len(set(recent.values())) == len(recent)


@given(st.lists(st.integers(0, 4), min_size=1), st.lists(st.text(min_size=1), min_size=5, max_size=5, unique=True))
def test_a_room_of_five_has_five_colours_and_nobody_s_changes(turns: list[int], names: list[str]) -> None:
    colours = NickColours()
    seen: dict[str, str] = {}
    for turn in turns:
        assert colours.style(names[turn]) == seen.setdefault(names[turn], colours.style(names[turn]))
