"""The capacity of this process: how many connections it has descriptors for."""

from __future__ import annotations

from gchat.server.linux import raise_descriptor_limit
from gchat.server.logs import logger

#: Descriptors that connections never get: for the listener, files, the log, and newcomers that are turned away.
KEPT_BACK = 64

#: And as many more for the admin endpoint: its connections, and files that it reads.
ADMIN_KEPT_BACK = 70

#: A server that has descriptors for fewer connections says so at the start, unless fewer are configured.
FEW_CONNECTIONS = 100


class Capacity:
    """The descriptors of this process, of which it gets as many as it may have."""

    def __init__(self, *, has_admin: bool) -> None:
        self.descriptors = raise_descriptor_limit()
        self._possible = max(1, self.descriptors - KEPT_BACK - (ADMIN_KEPT_BACK if has_admin else 0))

    def connections(self, configured: int) -> int:
        """Return how many connections there may be, if so many are configured; 0: as many as possible."""
        return min(configured or self._possible, self._possible)

    def log_shortage(self, configured: int) -> None:
        """Log that there may be fewer connections than somebody probably expects."""
        if self._possible < (configured or FEW_CONNECTIONS):
            limits = {"max_connections": self._possible, "descriptors": self.descriptors}
            logger.warning(
                "few connections are possible (%(max_connections)d), because the limit of open files is "
                "%(descriptors)d; raise it (ulimit -n, or LimitNOFILE= in the unit)",
                limits,
            )
