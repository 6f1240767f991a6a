"""Descriptions of unexpected errors: one line that names the cause and what to do."""

from __future__ import annotations

import os
import traceback

from gchat.model.errors import GchatError

NO_THREAD = "cannot start a thread: the limit of processes is reached; raise it (ulimit -u, or TasksMax= in the unit)"


def is_of_machine(error: Exception) -> bool:
    """Return whether the machine refused something: a traceback would not help."""
    return isinstance(error, OSError | MemoryError | GchatError) or _is_no_thread(error)


def described(error: Exception) -> str:
    """Return the description of an error."""
    if isinstance(error, GchatError):
        return str(error)
    if _is_no_thread(error):
        return NO_THREAD
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, FileNotFoundError) and not error.filename:  # of getcwd
        return "the current directory does not exist any more; change to another one"
    if isinstance(error, OSError) and error.errno:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{os.strerror(error.errno).lower()}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
    return f"internal error: {type(error).__name__}: {error} ({where}); please report it"


def _is_no_thread(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and "new thread" in str(error)
