"""What outlives a run of the server beside messages: who keeps order, bans and mutes, sessions, the modes of rooms.

These are notes in the journal. Another kind is one more NoteKind here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from gchat.chat.accounts import UNREADABLE, Account, key_of, stored
from gchat.chat.effects import (
    Effect,
    SaveAccount,
    SavedSession,
    SaveModes,
    SaveNote,
    SaveOperators,
    SavePenalties,
    SaveSession,
)
from gchat.chat.masks import Cloaks
from gchat.chat.penalties import Penalty
from gchat.chat.registry import Registry
from gchat.chat.room_modes import CLOSED, Modes
from gchat.journal.journal import JournalError
from gchat.journal.notes import NoteKind, Notes
from gchat.model.lookalikes import folded
from gchat.server.linux import unguessable
from gchat.server.logs import logger

_BANS = NoteKind("bans", tuple[Penalty, ...])  # all of them under one key
_MUTES = NoteKind("mutes", tuple[Penalty, ...])  # likewise
_OPERATORS = NoteKind("operators", tuple[str, ...])  # likewise
_SESSIONS = NoteKind("session", SavedSession)  # by lineage
_MODES = NoteKind("modes", Modes)  # by room
_CLOAK_SECRET = NoteKind("cloak", str)
_ACCOUNTS = NoteKind("account", Account)  # by accounts.key_of

_ALL = "all"

#: Kinds that the core does not read.
HOOKS, TOKENS = "hook", "token"


def saving(notes: Notes) -> dict[type[Effect], Callable[[Any], None]]:
    """Return what carries out the effects by which something is stored.

    Where sessions are, and modes, is stored soon. What a user is told to have for good is stored before that is told,
    unless nothing can be stored now: it may wait.
    """
    kinds = {"bans": _BANS, "mutes": _MUTES}

    def at_once(put: Callable[[Any], None]) -> Callable[[Any], None]:
        def save(effect: Any) -> None:
            put(effect)
            with suppress(JournalError):
                notes.keep()

        return save

    return {
        SaveSession: lambda effect: _SESSIONS.put(notes, effect.lineage, effect.who),
        SaveAccount: at_once(lambda effect: _ACCOUNTS.put(notes, key_of(effect.name), effect.account)),
        SaveModes: lambda effect: _MODES.put(notes, effect.room, effect.modes),
        SavePenalties: at_once(lambda effect: kinds[effect.kind].put(notes, _ALL, effect.penalties)),
        SaveNote: at_once(lambda effect: notes.note(effect.kind, effect.key, effect.value)),
        SaveOperators: at_once(lambda effect: _OPERATORS.put(notes, _ALL, effect.accounts)),
    }


def restore(registry: Registry, notes: Notes, now: float) -> None:
    """Give the registry what the previous run has stored; `now` is of its clock. Raises JournalError.

    A room whose note says what no modes can be is closed: opened to everybody it would show what was to be hidden. So
    is an account: nobody can log in, and its nick is nobody else's.
    """
    order = registry.order
    for kind, table in ((_BANS, order.bans), (_MUTES, order.mutes)):
        for penalty in kind.load(notes).get(_ALL, ()):
            table.add(penalty)
        table.expire(time.time())  # meanwhile
    order.granted = {folded(account): account for account in _OPERATORS.load(notes).get(_ALL, ())}
    modes = _MODES.load(notes, CLOSED)
    for room in [room for room, found in modes.items() if found is CLOSED]:
        logger.error("the modes of %(room)s cannot be read: it is closed until they are reset", {"room": room})
    registry.rooms.modes.restore(modes)
    registry.rooms.cloaks = Cloaks(_cloak_secret(notes))
    for key, found in _ACCOUNTS.load(notes, UNREADABLE).items():
        account = stored(key, found)
        registry.accounts.add(account)
        if account.is_closed:
            logger.error("the account %(name)s cannot be read: it is closed until it is removed", {"name": key})
    registry.notes.restore({kind: notes.notes(kind) for kind in (HOOKS, TOKENS)})
    registry.restore(_SESSIONS.load(notes), now)


def _cloak_secret(notes: Notes) -> bytes:
    """Return the secret with which addresses are cloaked, made if there is none yet."""
    secret = _CLOAK_SECRET.load(notes).get(_ALL, "")
    if not secret:
        secret = unguessable(16)
        _CLOAK_SECRET.put(notes, _ALL, secret)
    return secret.encode()
