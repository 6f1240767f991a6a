"""gchat-server whose pump stands still for ever when somebody says "stand still", while the loop goes on."""

from __future__ import annotations

from typing import Any

import gevent

from gchat.journal.memory import MemoryJournal
from gchat.server.main import main

append = MemoryJournal.append


def stands_still(self: MemoryJournal, postings: Any, now: float) -> Any:
    if any("stand still" in str(posting.message) for posting in postings):
        gevent.sleep(1_000_000)
    return append(self, postings, now)


MemoryJournal.append = stands_still  # type: ignore[method-assign, assignment]

if __name__ == "__main__":
    main()
