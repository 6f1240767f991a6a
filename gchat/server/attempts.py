"""When connections were made, by the time of the cluster: of those with one token the newest wins. Pure."""

from __future__ import annotations


class Attempts:
    """Dates connections of this node in the time of the cluster, in ns, and in the order in which it accepted them.

    That time is known by the engine's last answer, and jumps when one comes late.
    """

    def __init__(self) -> None:
        self._accepted = self._attempt = 0  # of the newest connection

    def attempt(self, accepted: int, ahead: int) -> int:
        """Return when a connection was made that was accepted then; the cluster is `ahead` of that clock now.

        Connections are decided on in another order than they were accepted in.
        """
        if accepted <= self._accepted:
            return self._attempt - (self._accepted - accepted)
        self._accepted, self._attempt = accepted, max(accepted + ahead, self._attempt + 1)
        return self._attempt
