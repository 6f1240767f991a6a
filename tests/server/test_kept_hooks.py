"""Hooks in the journal's notes."""

from __future__ import annotations

import pytest

from gchat.admin.documents import NewHook
from gchat.hooks.book import HookRefused
from gchat.server.kept_hooks import add_hook, forget_hook, hook_making, load_book


class KeptNotes:
    """Notes in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    def note(self, kind: str, key: str, value: bytes) -> None:
        self.kept[kind, key] = value
        if not value:
            del self.kept[kind, key]

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
