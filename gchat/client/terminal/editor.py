"""The user's own editor, for a draft that is more than a line."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress

from gevent import subprocess

#: Tried in this order where the user has named none.
USUAL = ("editor", "nano", "vi")


class EditorFailed(Exception):
    """The draft stays as it was; the text says why."""


def command(environment: Mapping[str, str]) -> list[str]:
    """Return the editor's command: $VISUAL, $EDITOR, or what there is. Raises EditorFailed."""
    for variable in ("VISUAL", "EDITOR"):
        if words := environment.get(variable, "").strip():
            try:
                return shlex.split(words)
            except ValueError as error:
                raise EditorFailed(f"${variable} is no command: {str(error).lower()}") from None
    found = next(filter(None, map(shutil.which, USUAL)), None)
    if found is None:
        raise EditorFailed("there is no editor; name one in $EDITOR")
    return [found]


def edited(text: str, environment: Mapping[str, str]) -> str:
    """Have the user edit `text`, and return it when the editor has ended. Raises EditorFailed.

    Other greenlets go on meanwhile. The file is for its owner only, and is deleted.
    """
    words = command(environment)
    try:
        descriptor, path = tempfile.mkstemp(prefix="gchat-", suffix=".txt")
    except OSError as error:
        raise EditorFailed(f"cannot make a file: {os.strerror(error.errno or 0).lower()}") from None
    try:
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        try:
            code = subprocess.Popen([*words, path]).wait()
        except OSError as error:
            raise EditorFailed(f"cannot run {words[0]}: {os.strerror(error.errno or 0).lower()}") from None
        if code:
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
            raise EditorFailed(f"{os.path.basename(words[0])} ended {how}")
        with open(path, encoding="utf-8", errors="replace") as file:  # an editor may have replaced it
            return file.read().removesuffix("\n")
    except OSError as error:
        raise EditorFailed(f"cannot read what was edited: {os.strerror(error.errno or 0).lower()}") from None
    finally:
        with suppress(OSError):
            os.unlink(path)
