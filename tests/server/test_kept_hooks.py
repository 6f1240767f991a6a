"""Hooks in the journal's notes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gchat.admin.backend import NotPossible
from gchat.admin.documents import NewHook
from gchat.hooks.book import HookRefused
from gchat.server.kept_hooks import add_hook, forget_hook, hook_making, load_book


class KeptNotes:
    """Notes in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}
        self.deleted: Callable[[], object] = lambda: None  # what others do then

    def note(self, kind: str, key: str, value: bytes) -> None:
        if not value and (kind, key) not in self.kept:
            raise NotPossible(f"There is no {kind} {key} any more")
        self.kept[kind, key] = value
        if not value:
            del self.kept[kind, key]
            self.deleted()

    def keep(self) -> None:
        pass

    def notes(self, kind: str) -> dict[str, bytes]:
        return {key: value for (of, key), value in self.kept.items() if of == kind}


def test_the_next_run_has_the_hooks_of_this_one() -> None:
    notes = KeptNotes()
    book = load_book(notes)
    made = add_hook(book, notes, NewHook("ops", "ci", "signing"))
    add_hook(book, notes, NewHook("ops", "other"))
    forget_hook(notes, 2)
    again = load_book(notes)
    assert list(again.all) == [1]
    assert again.find(made.secret) == book.all[1]
    assert again.all[1].signing_secret == "signing"


def test_an_id_is_not_used_again_and_only_the_last_one_is_kept() -> None:
    notes = KeptNotes()
    for expected in range(1, 5):
        made = add_hook(load_book(notes), notes, NewHook("ops", "ci"))
        assert made.id == expected
        forget_hook(notes, made.id)
        assert not load_book(notes).all
        assert len(notes.kept) == 1
    for name in ("one", "two"):
        add_hook(load_book(notes), notes, NewHook("ops", name))
    forget_hook(notes, 5)
    assert list(load_book(notes).all) == [6]
    assert load_book(notes).last_id == 6
    assert len(notes.kept) == 1


def test_an_id_is_not_used_again_by_a_hook_that_is_made_while_the_other_is_revoked() -> None:
    notes = KeptNotes()
    add_hook(load_book(notes), notes, NewHook("ops", "one"))
    notes.deleted = lambda: add_hook(load_book(notes), notes, NewHook("ops", "two"))
    forget_hook(notes, 1)
    assert list(load_book(notes).all) == [2]


def test_two_hooks_are_revoked_at_the_same_moment() -> None:
    notes = KeptNotes()
    for hook in (1, 2, 3):
        add_hook(load_book(notes), notes, NewHook("ops", f"ci{hook}"))
        if hook == 1:
            forget_hook(notes, 1)

    def meanwhile() -> None:
        notes.deleted = lambda: None
        forget_hook(notes, 3)

    notes.deleted = meanwhile
    forget_hook(notes, 2)
    assert not load_book(notes).all
    assert load_book(notes).last_id == 3


def test_the_secret_is_not_kept_and_no_two_are_the_same() -> None:
    notes = KeptNotes()
    secrets = [add_hook(load_book(notes), notes, NewHook("ops", f"ci{n}")).secret for n in range(3)]
    assert len(set(secrets)) == 3
    assert all(secret.encode() not in b"".join(notes.kept.values()) for secret in secrets)


def test_a_note_that_is_none_is_left_out() -> None:
    notes = KeptNotes()
    notes.note("hook", "1", b'{"room":3}')
    made = hook_making("ops", "ci").store(notes)
    assert load_book(notes).find(made.secret)


def test_the_command_refuses_what_the_endpoint_refuses() -> None:
    notes = KeptNotes()
    hook_making("ops", "ci").store(notes)
    with pytest.raises(HookRefused, match="already"):
        hook_making("ops", "ci").store(notes)
