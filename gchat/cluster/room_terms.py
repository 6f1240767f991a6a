"""Which message of a room is the same on two sides: one with the same number, of the same term. Pure.

In one term, which is one run of the engine, a number is given once. So two histories of a room are equal up to the last
number that has the same term in both, and all that a node has heard behind that is lost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable


class RoomTerms:
    """The terms of the messages from number `first` to `last` that a node has heard; few, because terms are long."""

    __slots__ = ("_firsts", "_terms", "first", "last")

    def __init__(self, first: int) -> None:
        self.first = first
        self.last = first - 1
        self._firsts: list[int] = []  # where each of these terms begins
        self._terms: list[int] = []

    def note(self, last: int, term: int) -> bool:
        """Note that the messages up to `last` were heard, numbered in this term; return whether that is news."""
        if last <= self.last:
            return False
        if not self._terms or self._terms[-1] != term:
            self._firsts.append(self.last + 1)
            self._terms.append(term)
        self.last = last
        return True

    def forget_behind(self, last: int) -> None:
        """Forget what is behind this number."""
        while self._firsts and self._firsts[-1] > last:
            self._firsts.pop()
            self._terms.pop()
        self.last = min(self.last, last)
        self.first = min(self.first, self.last + 1)

    @property
    def term(self) -> int:
        """The term of the last message; 0 if there is none."""
        return self._terms[-1] if self._terms else 0

    def common_end(self, term_of: Callable[[int], int], oldest: int) -> int:
        """Return the last number up to which another history is the same; 0 if nothing is.

        `term_of` returns the term of a number there, 0 if it is not there. What is before `oldest` is kept there no
        more, and counts as the same. So does what was not heard here, before `first`, if it is not of a later term than
        the first that was.
        """
        if not self._terms or oldest > self.last:
            return self.last
        low, high = oldest - 1, self.last + 1  # the same at `low`, and not at `high`
        while high - low > 1:
            middle = (low + high) // 2
            if self._is_same(middle, term_of(middle)):
                low = middle
            else:
                high = middle
        return low

    def _is_same(self, number: int, there: int) -> bool:
        if number < self.first:
            return 0 < there <= self._terms[0]
        return there == self._terms[bisect_right(self._firsts, number) - 1]
