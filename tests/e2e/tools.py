"""Programs of the machine that tests talk through: nc, telnet, tmux."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.e2e.harness import DEADLINE_S, wait_until


def need(program: str) -> str:
    """Return the path of `program`. Without it the test is skipped here, and fails in CI, which must have it."""
    path = shutil.which(program)
    if path is None:
        reason = f"{program} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


def with_index() -> dict[str, str]:
    """Return the environment as it is for a newcomer: the gate denies its own pip what is not in the lock."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PIP_NO_")}


class Screen:
    """A program in a terminal of tmux of 100 by 40, on a tmux server of its own, with nothing of our environment."""

    _numbers = itertools.count()  # a tmux server that is just ending still holds its socket

    def __init__(self, directory: Path, *command: str, environment: Mapping[str, str] | None = None) -> None:
        self._tmux = [need("tmux"), "-f", "/dev/null", "-S", str(directory / f"tmux-{next(self._numbers)}")]
        self._environment = {
            "LANG": "C.UTF-8",
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            **(environment or {}),
        }
        self._start = ["-u", "new-session", "-d", "-x", "100", "-y", "40", "-c", str(directory), *command]

    def __enter__(self) -> Self:
        self.do(*self._start)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, timeout=DEADLINE_S, stderr=subprocess.DEVNULL)

    def do(self, *arguments: str) -> str:
        """Give tmux a command, return what it prints."""
        done = subprocess.run(
            [*self._tmux, *arguments],
            check=True,
            env=self._environment,
            timeout=DEADLINE_S,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def types(self, text: str) -> None:
        """Type, and do not press Enter."""
        self.do("send-keys", "-l", text)

    def presses(self, *keys: str) -> None:
        """Press keys, by the names that tmux has for them."""
        self.do("send-keys", *keys)

    def says(self, text: str) -> None:
        """Type a line."""
        self.types(text)
        self.presses("Enter")

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return self.do("capture-pane", "-p").rstrip("\n").split("\n")

    def shows(self, text: str, times: int = 1) -> None:
        """Wait until so many lines have `text` in them."""
        wait_until(
            lambda: sum(text in line for line in self.lines) == times, f"the screen shows {text!r} {times} times"
        )
