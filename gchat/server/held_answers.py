"""Held answers: what a user is told waits for what became of that which the user has said before.

The outcome of what is said comes later where a journal is shared, and so does what became of a letter to another node.
An answer to what was asked behind that is held for so long, because answers have the order of what was asked. Of the
users who wait for nothing, and of all in a process that is alone, nothing is known here.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from gchat.chat.effects import Deliver


class HeldAnswers:
    """The answers that are held, by the session that is to get them."""

    def __init__(self) -> None:
        self._unknown: Counter[int] = Counter()  # how much was said whose outcome is not known
        self._held: defaultdict[int, list[Deliver]] = defaultdict(list)

    def asked(self, session: int | None) -> None:
        """Note that a user, if it is one, has said something whose outcome comes later."""
        if session is not None:
            self._unknown[session] += 1

    def waits(self, session: int) -> bool:
        """Return whether the outcome of something that a user has said is not known."""
        return session in self._unknown

    def hold(self, answer: Deliver) -> bool:
        """Hold an answer; return False if there is nothing for which it should wait."""
        if answer.session not in self._unknown:
            return False
        self._held[answer.session].append(answer)
        return True

    def known(self, session: int | None, *, is_late: bool) -> list[Deliver]:
        """Note an outcome; or that all `is_late`, and nothing is waited for. Return what is held no more."""
        if session is None or session not in self._unknown:
            return []
        self._unknown[session] -= 1
        if self._unknown[session] and not is_late:
            return []
        del self._unknown[session]
        return self._held.pop(session, [])
