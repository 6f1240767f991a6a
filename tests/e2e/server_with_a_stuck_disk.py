"""gchat-server whose reads of the disk get stuck: calls of Reader wait for as long as a file of that name is there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gchat.journal.sqlite.queries import Reader
from gchat.server.main import main

DIRECTORY = Path(os.environ["STUCK"])


def sticks(name: str) -> None:
    call: Callable[..., Any] = getattr(Reader, name)

    def waits(*arguments: Any, **options: Any) -> Any:
        while (DIRECTORY / name).exists():
            time.sleep(0.01)
        return call(*arguments, **options)

    setattr(Reader, name, waits)


if __name__ == "__main__":
    for name in ("room", "read", "search"):
        sticks(name)
    main()
