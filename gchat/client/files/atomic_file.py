"""Small files that are replaced as a whole: a program that is killed leaves the old content or the new one."""

from __future__ import annotations

import os
import tempfile


def replace(path: str, content: bytes) -> None:
    """Have `content` in the file at `path`, with the mode 0600. Raises OSError."""
    descriptor, new = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)[:80]}-")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
