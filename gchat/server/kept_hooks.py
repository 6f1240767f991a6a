"""Hooks as they are kept: notes in the journal, one for each, made by the endpoint or by --make-hook."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from gchat.admin.backend import NotPossible
from gchat.admin.documents import MadeHookDocument, NewHook
from gchat.hooks.book import Hook, HookBook
from gchat.journal.notes import NoteKind, Notes
from gchat.server.linux import unguessable
from gchat.server.notes_by_step import NoteTaken
from gchat.server.saved_state import HOOKS

if TYPE_CHECKING:
    from gchat.server.making import Making

#: Random bytes in a secret.
SECRET_BYTES = 24

_HOOKS = NoteKind(HOOKS, Hook)  # by id

_UNREADABLE = Hook(0, "", "", "", 0.0)


def load_book(notes: Notes) -> HookBook:
    """Return the hooks that were kept; a note that is none is left out. May wait. Raises JournalError."""
    return HookBook(_load(notes).values())


def _load(notes: Notes) -> dict[str, Hook]:
    return {key: hook for key, hook in _HOOKS.load(notes, _UNREADABLE).items() if hook is not _UNREADABLE}


def add_hook(book: HookBook, notes: Notes, asked: NewHook) -> MadeHookDocument:
    """Make a hook and keep it; this alone has its secret. Raises HookRefused."""
    secret = unguessable(SECRET_BYTES)
    hook = book.make(asked.room, asked.name, asked.signing_secret, secret, time.time())
    _HOOKS.put(notes, str(hook.id), hook)
    return MadeHookDocument(hook.id, hook.room, hook.name, secret)


def forget_hook(notes: Notes, hook: int) -> None:
    """Keep a hook no longer; of the last one that was made, its id is kept until another one is the last.

    May wait between notes, and another hook may be made meanwhile. Raises what notes raise: the hook is kept.
    """
    known = _load(notes)
    if hook == max((other.id for other in known.values()), default=0):
        with suppress(NoteTaken):  # it is being revoked, or was when the server was killed
            _HOOKS.put(notes, f"{hook}-revoked", Hook(hook, "", "", "", 0.0))
    _HOOKS.put(notes, str(hook), None)
    for key, other in known.items():
        if other.is_revoked and other.id < hook:
            with suppress(NotPossible):  # who revokes another one at the same moment deletes it too
                _HOOKS.put(notes, key, None)


def hook_making(room: str, name: str) -> Making[MadeHookDocument]:
    """Return how --make-hook makes a hook."""
    from gchat.server.making import Making  # noqa: PLC0415  # the server itself does without

    asked = NewHook(room, name)
    return Making("/hooks", asked, MadeHookDocument, lambda notes: add_hook(load_book(notes), notes, asked))
