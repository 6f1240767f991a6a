"""When connections were made, by the time of the cluster: of those with one token the newest wins. Pure."""

from __future__ import annotations

from bisect import bisect

#: The newest connections, which are remembered: older ones are not compared with each other any more.
MAX_REMEMBERED = 1000


class Attempts:
    """Dates connections of this node in the time of the cluster, in ns, and in the order in which it accepted them.

    That time is known by the engine's last answer, and jumps when one comes late.
    """

    def __init__(self) -> None:
        self._accepted: list[int] = []  # in order, and
        self._attempts: list[int] = []  # their dates

    def attempt(self, accepted: int, ahead: int) -> int:
        """Return when a connection was made that was accepted then; the cluster is `ahead` of that clock now.

        Connections are decided on in another order than they were accepted in. Between two dates lies at least half of
        the time that passed, so there is one for each that was accepted in between.
        """
        index, attempt = bisect(self._accepted, accepted), accepted + ahead
        if index < len(self._accepted):  # the next one was dated by what was known when both were made
            attempt = self._attempts[index] - (self._accepted[index] - accepted)
        if index:
            attempt = max(attempt, self._attempts[index - 1] + (accepted - self._accepted[index - 1] + 1) // 2)
        self._accepted.insert(index, accepted)
        self._attempts.insert(index, attempt)
        if len(self._accepted) > MAX_REMEMBERED:
            del self._accepted[0], self._attempts[0]
        return attempt
