"""gchat-server that writes at SIGUSR2 how many objects it holds into the file `counts` in its state directory."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from pathlib import Path

from gchat.server.main import main

COUNTS = Path(os.environ["XDG_STATE_HOME"]) / "counts"


def write(*_: object) -> None:
    """Write the file, all at once."""
    whole = COUNTS.with_suffix(".new")
    whole.write_text(json.dumps({"objects": len(gc.get_objects()), "blocks": sys.getallocatedblocks()}))
    whole.replace(COUNTS)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, write)
    main()
