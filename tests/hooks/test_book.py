"""The hooks that there are."""

from __future__ import annotations

import pytest

from gchat.hooks.book import MAX_HOOKS, Hook, HookBook, HookRefused


def test_a_hook_is_found_by_its_secret_alone() -> None:
    book = HookBook()
    one = book.make("#Ops", "Grafana Cloud", "", "s1", 5.0)
    two = book.make("ops", "ci", "signed", "s2", 6.0)
    assert (one.id, one.room, one.name) == (1, "ops", "Grafana Cloud (http)")
    assert book.find("s1") is one
    assert book.find("s2") is two
    for wrong in ("", "s", "S1", "s1 ", "\udcff"):
        assert book.find(wrong) is None


def test_no_secret_is_kept_or_shown() -> None:
    hook = HookBook().make("ops", "ci", "signing", "secret", 5.0)
    assert repr(hook) == ("Hook(id=1, room='ops', name='ci (http)', secret_hash='…', created=5.0, signing_secret='…')")
    assert "secret" not in (hook.secret_hash, hook.name)


def test_there_is_one_for_each_room_and_name() -> None:
    book = HookBook()
    book.make("ops", "ci", "", "s1", 5.0)
    with pytest.raises(HookRefused, match=r"DELETE /hooks/1"):
        book.make("ops", "[ci]", "", "s2", 5.0)
    assert book.find("s2") is None


def test_a_hook_that_was_revoked_has_left_its_id_alone() -> None:
    book = HookBook([Hook(7, "", "", "", 0.0)])
    assert not book.all
    assert book.find("") is None
    assert book.make("ops", "ci", "", "s2", 5.0).id == 8  # an old id that is typed again does not revoke a new hook


def test_their_number_is_bounded() -> None:
    book = HookBook()
    for number in range(MAX_HOOKS):
        book.make("ops", f"ci {number}", "", f"s{number}", 5.0)
    with pytest.raises(HookRefused, match="256 hooks, which is the limit"):
        book.make("ops", "one more", "", "s", 5.0)


def test_a_name_that_cannot_be_is_refused() -> None:
    with pytest.raises(HookRefused, match="empty"):
        HookBook().make("ops", "[]", "", "s", 5.0)
    with pytest.raises(HookRefused, match="room name"):
        HookBook().make("o p s", "ci", "", "s", 5.0)
