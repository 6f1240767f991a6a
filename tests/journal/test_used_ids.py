"""Used ids: how long what an id was used for is remembered, and of whom when they are too many."""

from __future__ import annotations

import pytest

from gchat.journal import used_ids
from gchat.journal.used_ids import IDS_S, UsedIds


@pytest.fixture
def ids(monkeypatch: pytest.MonkeyPatch) -> UsedIds[str]:
    monkeypatch.setattr(used_ids, "MAX_IDS", 3)
    monkeypatch.setattr(used_ids, "MAX_ALL_IDS", 8)
    return UsedIds()


def test_an_id_has_a_meaning_in_its_lineage_alone(ids: UsedIds[str]) -> None:
    ids.add("ann", "1", "said", 0.0)
    assert (ids.get("ann", "1"), ids.get("ann", "2"), ids.get("bob", "1")) == ("said", None, None)
    assert (ids.knows("ann"), ids.knows("bob"), len(ids)) == (True, False, 1)


def test_an_id_is_remembered_until_as_many_newer_ones_have_come_as_are_promised(ids: UsedIds[str]) -> None:
    for number in range(1, 8):
        ids.add("ann", str(number), "said", 0.0)
        assert all(ids.get("ann", str(earlier)) for earlier in range(max(1, number - 3), number + 1))
    assert ids.get("ann", "1") is None
    assert len(ids) == sum(ids.get("ann", str(number)) is not None for number in range(1, 8)) == 4


def test_an_id_is_remembered_for_as_long_as_is_promised_and_not_for_ever(ids: UsedIds[str]) -> None:
    ids.add("ann", "old", "said", 500.0)
    ids.add("ann", "new", "said", 500 + IDS_S - 1)
    ids.add("ann", "newer", "said", 500 + IDS_S)
    assert ids.get("ann", "old") == ids.get("ann", "new") == "said"
    ids.add("ann", "newest", "said", 500 + 2 * IDS_S)
    assert ids.get("ann", "old") is ids.get("ann", "new") is None
    assert ids.get("ann", "newer") == "said"
    assert len(ids) == 2


def test_a_lineage_that_was_silent_for_so_long_is_forgotten_and_no_other(ids: UsedIds[str]) -> None:
    ids.add("ann", "1", "said", 0.0)
    ids.add("bob", "1", "said", 0.0)
    ids.add("ann", "2", "said", 1.0)
    ids.expire(IDS_S)
    assert (ids.knows("ann"), ids.knows("bob"), len(ids)) == (True, False, 2)
    ids.expire(IDS_S + 1)
    assert (ids.knows("ann"), len(ids)) == (False, 0)


def test_when_they_are_too_many_the_lineage_that_was_silent_for_longest_is_forgotten(ids: UsedIds[str]) -> None:
    for name, number, id_ in (("ann", 0, "a"), ("ann", 0, "b"), ("bob", 1, "a"), ("bob", 1, "b"), ("bob", 1, "c")):
        ids.add(name, id_, "said", float(number))
    ids.add("ann", "a", "said", 2.0)  # counts once, and it is bob now who was silent for longest
    for id_ in "abc":
        ids.add("cid", id_, "said", 3.0)
    assert (ids.knows("bob"), len(ids)) == (True, 8)
    ids.add("cid", "d", "said", 3.0)
    assert [ids.knows(name) for name in ("ann", "bob", "cid")] == [True, False, True]
    assert len(ids) == 6


def test_the_last_lineage_is_never_forgotten_for_being_too_large(
    ids: UsedIds[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(used_ids, "MAX_ALL_IDS", 2)
    for id_ in "abc":
        ids.add("ann", id_, "said", 0.0)
    assert all(ids.get("ann", id_) for id_ in "abc")


def test_an_id_that_is_used_again_counts_once_and_one_that_is_removed_is_free(ids: UsedIds[str]) -> None:
    ids.add("ann", "1", "said", 0.0)
    ids.add("ann", "1", "told", 0.0)
    assert (ids.get("ann", "1"), len(ids)) == ("told", 1)
    ids.remove("ann", "1")
    ids.remove("ann", "1")
    ids.remove("bob", "1")
    assert (ids.get("ann", "1"), ids.knows("ann"), len(ids)) == (None, False, 0)


def test_an_id_in_the_older_generation_can_be_removed_too(ids: UsedIds[str]) -> None:
    for id_ in "abcd":
        ids.add("ann", id_, "said", 0.0)
    ids.remove("ann", "a")
    assert (ids.get("ann", "a"), ids.get("ann", "b"), len(ids)) == (None, "said", 3)
