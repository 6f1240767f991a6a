"""What outlives a run of the server beside messages: bans, accounts, sessions that may resume, modes of rooms.

These are notes in the journal. Another kind is one more NoteKind here.
"""

from __future__ import annotations

from collections.abc import Iterable

from gchat.chat.accounts import UNREADABLE, Account, key_of, stored
from gchat.chat.bans import Ban
from gchat.chat.effects import SaveAccount, SavedSession, SaveModes, SaveSession
from gchat.chat.masks import Cloaks
from gchat.chat.registry import Registry
from gchat.chat.room_modes import CLOSED, Modes
from gchat.journal.notes import NoteKind, Notes
from gchat.server.linux import unguessable
from gchat.server.logs import logger

_BANS = NoteKind("bans", list[Ban])  # all of them under one key
_SESSIONS = NoteKind("session", SavedSession)  # by lineage
_MODES = NoteKind("modes", Modes)  # by room
_CLOAK_SECRET = NoteKind("cloak", str)
_ACCOUNTS = NoteKind("account", Account)  # by accounts.key_of

_ALL = "all"


def note_bans(notes: Notes, bans: Iterable[Ban]) -> None:
    """Store the bans, soon."""
    _BANS.put(notes, _ALL, list(bans))


def note(notes: Notes, effect: SaveSession | SaveModes | SaveAccount) -> None:
    """Store what an effect asks to be stored, soon."""
    match effect:
        case SaveSession(lineage, session):
            _SESSIONS.put(notes, lineage, session)
        case SaveModes(room, modes):
            _MODES.put(notes, room, modes)
        case SaveAccount(name, account):
            _ACCOUNTS.put(notes, key_of(name), account)


def restore(registry: Registry, notes: Notes, now: float) -> None:
    """Give the registry what the previous run has stored; `now` is of its clock. Raises JournalError.

    A room whose note says what no modes can be is closed: opened to everybody it would show what was to be hidden. So
    is an account: nobody can log in, and its nick is nobody else's.
    """
    for ban in _BANS.load(notes).get(_ALL, []):
        registry.bans.add(ban)
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
    registry.restore(_SESSIONS.load(notes), now)


def _cloak_secret(notes: Notes) -> bytes:
    """Return the secret with which addresses are cloaked, made if there is none yet."""
    secret = _CLOAK_SECRET.load(notes).get(_ALL, "")
    if not secret:
        secret = unguessable(16)
        _CLOAK_SECRET.put(notes, _ALL, secret)
    return secret.encode()
