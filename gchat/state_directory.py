"""The directory of what outlives a program: the server's history and sessions, the client's tokens and drafts."""

from __future__ import annotations

import os
import pwd


def state_directory() -> str:
    """Return the path of the directory, which need not be there: $XDG_STATE_HOME/gchat, or ~/.local/state/gchat.

    By the XDG rules a relative path is ignored. Raises FileNotFoundError if the user has no home.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):
        state = os.path.join(home(), ".local", "state")
    return os.path.join(state, "gchat")


def home() -> str:
    """Return the home of the user. Raises FileNotFoundError if there is none."""
    home = os.environ.get("HOME", "")
    if not os.path.isabs(home):
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:  # a container that runs as any user
            home = ""
    if not os.path.isabs(home):
        raise FileNotFoundError("this user has no home directory")
    return home
