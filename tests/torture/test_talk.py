"""The talk under tmux in short: what takes ten minutes is `python -m tests.torture.talk`; and how it reads a screen."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.tools import need
from tests.torture.talk import Talk, marks_of


def test_three_people_on_screens_of_three_sizes_miss_nothing_and_see_nothing_twice(tmp_path: Path) -> None:
    need("tmux")
    talk = Talk(tmp_path, seconds=3.0, seed=7)
    talk.run()

    assert not talk.faults()
    assert talk.done["the server ended"] == 2


def test_what_is_shown_again_as_old_or_is_on_its_way_is_not_counted() -> None:
    screen = [
        "12:00 [ann] w1a and w1b",
        "── dev ──",
        "12:00 [ben] w2a",
        "⋯ w3a",
        "── lobby ──",
        "12:00 [ann] w1a and w1b",
        "── new ──",
        "12:01 [ben] w4a",
        "[ann] w5a",
        " [1:lobby]  2:dev",
    ]

    assert marks_of(screen) == ["w1a", "w1b", "w2a", "w4a"]


def test_what_is_missing_doubled_torn_or_not_for_a_user_is_found() -> None:
    talk = Talk(Path(), 0.0, 1)
    talk.shown = {"ann": [("w1a",), ("w2a", "w2b"), ("w3a",), ("w5a",)]}
    talk.echoed = {("ann", "w5a")}
    talk.marks = {"ann": ["w2a", "w3a", "w2b", "w3a", "w4a", "w5a", "w5a"]}

    assert talk.faults() == [
        "ann: w1a is missing",
        "ann: w3a is there 2 times",
        "ann: w4a should not be there",
        "ann: w2a is torn: ['w2a', 'w3a']",
    ]
