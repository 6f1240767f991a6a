"""gchat-server whose pump stands still for ever when somebody says "stand still", while the loop goes on."""

from __future__ import annotations

from typing import Any

import gevent

from gchat.cluster.journal import SharedJournal
from gchat.journal.memory import MemoryJournal
from gchat.server.main import main


def stands_still(journal: type[MemoryJournal | SharedJournal]) -> None:
    append: Any = journal.append

    def waits(self: Any, batch: Any, now: float) -> Any:
        if "stand still" in str(batch):
            gevent.sleep(1_000_000)
        return append(self, batch, now)

    journal.append = waits  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    stands_still(MemoryJournal)
    stands_still(SharedJournal)
    main()
