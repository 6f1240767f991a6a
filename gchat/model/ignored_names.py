"""The names that a user ignores: what the users called so say is not shown to this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import name_keys

#: The most names that one user ignores.
MAX_IGNORED = 50

#: The names between the first and the present one of an ignored user that are remembered, the latest ones. Under these
#: there are old messages, so each costs a few bytes for each who ignores the user; a user could take names without end.
MAX_FORMER = 20


class _Entry:
    """A name; the name that the user who had it has now; the keys of each, and of both; and the names between them."""

    __slots__ = ("first", "former", "keys", "last", "name", "now")

    def __init__(self, name: str, now: str = "", former: tuple[str, ...] = ()) -> None:
        self.name, self.now, self.former = name, now or name, former
        self.first, self.last = name_keys(self.name), name_keys(self.now)
        self.keys = self.first | self.last


#: An entry as it is kept: the name, the present one, and those in between.
KeptName = tuple[str, str, tuple[str, ...]]


class IgnoredNames:
    """Names, with all that could be taken for them. A user who takes another name is followed to it.

    `keys` are those of all of them (see lookalikes.name_keys).
    """

    __slots__ = ("_entries", "keys")

    def __init__(self, kept: Iterable[KeptName] = ()) -> None:
        self._entries = [_Entry(*entry) for entry in kept]
        self._sum_up()

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __iter__(self) -> Iterator[str]:
        """Return the names, each with the present one if that is another."""
        return (entry.name + (f" (now {entry.now})" if entry.now != entry.name else "") for entry in self._entries)

    def kept(self) -> tuple[KeptName, ...]:
        """Return what makes the same names again."""
        return tuple((entry.name, entry.now, entry.former) for entry in self._entries)

    def has(self, name: str) -> bool:
        """Return whether a user of this name is ignored."""
        return bool(self.keys) and not self.keys.isdisjoint(name_keys(name))

    def among(self, names: Iterable[str]) -> set[str]:
        """Return those of these names, of users who spoke some time ago, that are ignored.

        They are also those that an ignored user had in between, which somebody else may have now.
        """
        former = {name for entry in self._entries for name in entry.former}
        return {name for name in set(names) if name in former or self.has(name)}

    def add(self, name: str) -> None:
        """Ignore a name. Raises Refusal if there are too many."""
        if self.has(name):
            return
        if len(self._entries) >= MAX_IGNORED:
            raise Refusal(Code.TOO_MUCH, f"You ignore {MAX_IGNORED} names, and that is the limit; /unignore one first")
        self._entries.append(_Entry(name))
        self._sum_up()

    def discard(self, name: str) -> None:
        """Ignore a name no more, nor those that could be taken for it."""
        keys = name_keys(name)
        self._entries = [entry for entry in self._entries if entry.keys.isdisjoint(keys)]
        self._sum_up()

    def follow(self, old: str, new: str) -> None:
        """Ignore a user who was called `old` under the name `new` too.

        A user who has taken a name that an ignored one gave up is not followed: that would be to lose the ignored one.
        """
        keys = name_keys(old)
        for entry in self._entries:
            if not entry.last.isdisjoint(keys):
                entry.former = (*entry.former, entry.now)[-MAX_FORMER:]
                entry.now, entry.last = new, name_keys(new)
                entry.keys = entry.first | entry.last
        self._sum_up()

    def _sum_up(self) -> None:
        self.keys = frozenset[str]().union(*(entry.keys for entry in self._entries))
