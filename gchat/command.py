"""What both commands have in common: how they are asked for, and where their output goes."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from gchat.protocol.errors import GchatError


class UsageError(GchatError):
    """The command line cannot be understood."""


class Parser(argparse.ArgumentParser):
    """Raises UsageError with one line that says what was expected, where argparse prints its usage and exits."""

    def error(self, message: str) -> NoReturn:
        """See ArgumentParser.error."""
        raise UsageError(f"{message}; expected [HOST [PORT]] and options, see {self.prog} --help")


def open_standard_descriptors() -> None:
    """Open what of stdin, stdout and stderr is closed: else a socket would get its number, and our output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115  # for good
    sys.stderr = sys.stderr or open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
