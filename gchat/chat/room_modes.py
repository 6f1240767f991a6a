"""The modes of a room: who may enter, speak, invite and set the topic there, and who sees the room. Pure.

What is asked for is a value that is replaced by each change, so it can be stored as it is. Questions are answered with
None, or with the Refusal that says why not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct, structs

from gchat.chat import masks
from gchat.model.errors import Code, Refusal
from gchat.model.modes import MAX_KEY, MAX_LIMIT, OPERATOR, VOICE, Change, Takes

#: Masks in one list, and users whose ranks in one room are kept.
MAX_LISTED, MAX_KEPT_RANKS = 64, 64

#: The masks in one list that are compared, together in characters: a user may enter fifty rooms at once.
MAX_COMPARED = 300

Masks = Annotated[tuple[Annotated[str, Meta(pattern=masks.PATTERN)], ...], Meta(max_length=MAX_LISTED)]
_Ranks = Annotated[
    dict[
        Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")],  # a lineage
        Annotated[str, Meta(pattern=r"^(o|v|ov)\Z")],
    ],
    Meta(max_length=MAX_KEPT_RANKS),
]


class Modes(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The modes of one room, as they outlive its members and a restart.

    `ranks` are those of users who can prove that they are the same: by lineage, as the letters of modes. A nick proves
    nothing, because anybody can take it whose it is no more. (An account has a lineage too.)
    """

    flags: Annotated[str, Meta(pattern=r"^i?m?n?s?t?\Z")] = "n"
    key: Annotated[str, Meta(max_length=MAX_KEY)] = ""  # "": none is needed
    limit: Annotated[int, Meta(ge=0, le=MAX_LIMIT)] = 0  # 0: none
    bans: Masks = ()
    exceptions: Masks = ()
    invitations: Masks = ()
    ranks: _Ranks = {}
    network: Annotated[str, Meta(max_length=64)] = ""  # its cloak: where the room was opened from

    def has(self, flag: str) -> bool:
        """Return whether the mode with this letter is on."""
        return flag in self.flags

    def of_list(self, letter: str) -> tuple[str, ...]:
        """Return the masks in the list with this letter."""
        found: tuple[str, ...] = getattr(self, _LISTS[letter])
        return found

    @property
    def silences(self) -> bool:
        """Whether there can be members who may not speak: it is asked before each message, and rarely so."""
        return bool(self.bans) or "m" in self.flags

    @property
    def is_guarded(self) -> bool:
        """Whether operators who can come back have set modes: nobody else gets such a room by entering it empty.

        A room that was only opened, perhaps by a program that is gone for good, belongs to the next user too.
        """
        is_usual = structs.replace(self, ranks={}, network="") == USUAL
        return not is_usual and any(OPERATOR in rank for rank in self.ranks.values())

    @property
    def are_shown(self) -> str:
        """The modes for everybody, as `+lnt 20`: without the key, the lists and the ranks."""
        letters = sorted([*self.flags, *("k" if self.key else ""), *("l" if self.limit else "")])
        return f"+{''.join(letters)}" + (f" {self.limit}" if self.limit else "")


#: A room of which nothing was ever changed.
USUAL = Modes()

#: A room whose stored modes cannot be read: it stays closed until they are set again.
CLOSED = Modes(flags="ins")

_LISTS = {"b": "bans", "e": "exceptions", "I": "invitations"}


class Asking(Struct, frozen=True):
    """A user who asks something of a room."""

    person: masks.Person
    cloak: Callable[[], str]  # of the network that the user comes from
    rank: str = ""  # there, as letters
    is_member: bool = False

    @property
    def is_operator(self) -> bool:
        """Whether the user is an operator of the room."""
        return OPERATOR in self.rank


# --- Questions -------------------------------------------------------------------------------------------------------


def may_enter(
    room: str, modes: Modes, asking: Asking, members: int, key: str = "", *, is_invited: bool = False
) -> Refusal | None:
    """Return why a user may not enter a room with so many members, with this key.

    An invitation stands for the key, and for a place beyond the limit; no invitation lifts a ban.
    """
    if asking.is_operator:
        return None
    if _is_banned(modes, asking):
        return Refusal(Code.BANNED, f"You are banned from {room}")
    if is_invited:
        return None
    if modes.has("i") and not masks.lets_in(modes.invitations, asking.person, asking.cloak):
        return Refusal(Code.INVITE_ONLY, f"{room} is invite-only; one of its operators can invite you")
    if modes.key and key != modes.key:
        why = f"That is not the key of {room}" if key else f"{room} needs a key: /join {room} KEY"
        return Refusal(Code.BAD_KEY, why)
    if modes.limit and members >= modes.limit:
        return Refusal(Code.ROOM_FULL, f"{room} is full: its limit is {modes.limit:,}; try again later")
    return None


def may_speak(room: str, modes: Modes, asking: Asking) -> Refusal | None:
    """Return why a user may not say anything in a room."""
    if not asking.is_member and modes.has("n"):
        return not_in(room)
    if asking.rank:
        return None
    if modes.has("m"):
        why = f"Not sent: {room} is moderated; its operators can give you a voice"
        return Refusal(Code.MODERATED, why)
    if _is_banned(modes, asking):
        return Refusal(Code.BANNED, f"Not sent: you are banned from {room}")
    return None


def may_set_topic(room: str, modes: Modes, asking: Asking) -> Refusal | None:
    """Return why a user may not set the topic of a room: a topic is said too."""
    if not asking.is_member:
        return not_in(room)
    if modes.has("t"):
        return may_change(room, asking)
    return may_speak(room, modes, asking)


def may_invite(room: str, modes: Modes, asking: Asking) -> Refusal | None:
    """Return why a user may not invite somebody to a room: into one that is not open, only its operators do."""
    if not asking.is_member:
        return not_in(room)
    if modes.has("i") or modes.key or modes.limit:
        return may_change(room, asking)
    return may_speak(room, modes, asking)


def may_change(room: str, asking: Asking) -> Refusal | None:
    """Return why a user may not change the modes of a room, or put somebody out of it."""
    if not asking.is_member:
        return not_in(room)
    return None if asking.is_operator else Refusal(Code.NOT_OPERATOR, f"Only operators of {room} can do that")


def is_seen(modes: Modes, *, is_member: bool) -> bool:
    """Return whether a user sees that a room exists."""
    return is_member or not modes.has("s")


def allowed(refusal: Refusal | None) -> None:
    """Raise the refusal, if there is one."""
    if refusal is not None:
        raise refusal


def not_in(room: str) -> Refusal:
    """Return the refusal of what only members of a room may do; it does not say whether there is such a room."""
    return Refusal(Code.NOT_IN_ROOM, f"You are not in {room}; enter it first (/join {room})")


def _is_banned(modes: Modes, asking: Asking) -> bool:
    return masks.keeps_out(modes.bans, asking.person, asking.cloak) and not masks.lets_in(
        modes.exceptions, asking.person, asking.cloak
    )


# --- Changes ---------------------------------------------------------------------------------------------------------


def changed(modes: Modes, change: Change) -> Modes:
    """Return the modes after a change, or the same if it changes nothing. Not of ranks. Raises Refusal."""
    match change.takes:
        case Takes.NOTHING:
            flags = set(modes.flags) | {change.letter} if change.adds else set(modes.flags) - {change.letter}
            found = structs.replace(modes, flags="".join(sorted(flags)))
        case Takes.KEY:
            found = structs.replace(modes, key=change.argument)
        case Takes.LIMIT:
            found = structs.replace(modes, limit=int(change.argument or 0))
        case Takes.MASK:
            found = _listed(modes, change)
        case Takes.NAME:
            raise ValueError(change)
    return modes if found == modes else found


def ranked(modes: Modes, lineage: str, rank: str) -> Modes:
    """Return the modes that keep the rank of the users of a lineage; "" is none. The oldest make room for new ones."""
    if modes.ranks.get(lineage, "") == rank:
        return modes
    ranks = {other: letters for other, letters in modes.ranks.items() if other != lineage}
    if rank:
        ranks[lineage] = rank
        while len(ranks) > MAX_KEPT_RANKS:
            del ranks[next(iter(ranks))]
    return structs.replace(modes, ranks=ranks)


def with_rank(rank: str, change: Change) -> str:
    """Return the rank of a user after a change of it."""
    letters = set(rank) | {change.letter} if change.adds else set(rank) - {change.letter}
    return "".join(letter for letter in (OPERATOR, VOICE) if letter in letters)


def united(rank: str, other: str) -> str:
    """Return the rank of a user who has both."""
    return "".join(letter for letter in (OPERATOR, VOICE) if letter in rank + other)


def _listed(modes: Modes, change: Change) -> Modes:
    """Return the modes with a mask more or less in a list."""
    listed, mask = modes.of_list(change.letter), masks.normal(change.argument)
    others = tuple(other for other in listed if not masks.are_same(other, mask))
    if change.adds and len(others) != len(listed):
        return modes
    if change.adds and len(listed) >= MAX_LISTED:
        why = f"The list is full: it has {MAX_LISTED} masks; take one off with -{change.letter}"
        raise Refusal(Code.TOO_MUCH, why)
    if change.adds and sum(len(each) for each in (*others, mask) if masks.is_compared(each)) > MAX_COMPARED:
        why = f"The list is full: its masks with * or ? in a name may have {MAX_COMPARED} characters together"
        raise Refusal(Code.TOO_MUCH, f"{why}; take one off with -{change.letter}")
    return structs.replace(modes, **{_LISTS[change.letter]: (*others, mask) if change.adds else others})
