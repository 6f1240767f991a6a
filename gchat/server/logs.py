"""The log: each event is one line, and nothing of the conversation is in it. A native thread writes it.

An event whose arguments have names has them as fields in JSON: logger.info("closed %(session)d", {"session": 7}).
Where several nodes write to one log, each line says which it is from: before the text, or in the field `node`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from gchat.model.text import printable

logger = logging.getLogger("gchat")

#: Lines of one kind (one format string) a second; more are counted, and the next line of that kind tells how many.
MAX_LINES_PER_S = 10

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

#: As syslog numbers them; journald reads them from the beginning of a line, see sd-daemon(3).
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3}


class LineOutput(Protocol):
    """Where lines of the log go."""

    def write(self, lines: bytes) -> None:
        """Write whole lines; never wait."""


class _OneLine(logging.Formatter):
    """`2026-11-22T12:03:04.567+01:00 INFO text`, or one JSON object; for journald, its priority in place of both.

    With a node's name it is `2026-11-22T12:03:04.567+01:00 INFO web1-2: text`.
    """

    def __init__(self, style: str, node: str, *, to_journal: bool) -> None:
        super().__init__()
        self._json = style == "json"
        self._before = f"{node}: " if node else ""
        self._common = {"node": node} if node else {}
        self._to_journal = to_journal

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += " | " + " | ".join(self.formatException(record.exc_info).splitlines())
        prefix = f"<{_PRIORITIES.get(record.levelno, 3)}>" if self._to_journal else ""
        if self._to_journal and not self._json:
            return prefix + self._before + printable(message)
        at = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        if self._json:
            event = {"time": at, "level": record.levelname.lower(), "message": message, **self._common}
            fields = record.args if isinstance(record.args, Mapping) else {}
            return prefix + msgspec.json.encode({**fields, **event}, enc_hook=str).decode()
        return f"{at} {record.levelname} {self._before}{printable(message)}"


class _Sparing(logging.Filter):
    """Lets MAX_LINES_PER_S lines of each kind through: ten thousand connections a second must not be a log of that."""

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[object, tuple[int, int]] = {}  # kind: (a second, how many lines in it)

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = record.msg, int(record.created)
        second, lines = self._kinds.get(kind, (now, 0))
        if second != now:
            if lines > MAX_LINES_PER_S:
                record.msg = f"{kind} (and {lines - MAX_LINES_PER_S:,} more such lines before)"
            lines = 0
        self._kinds[kind] = (now, lines + 1)
        return lines < MAX_LINES_PER_S


class _Handler(logging.Handler):
    def __init__(self, output: LineOutput) -> None:
        super().__init__()
        self._output = output
        self.addFilter(_Sparing())

    def emit(self, record: logging.LogRecord) -> None:
        self._output.write(self.format(record).encode("utf-8", "replace") + b"\n")


def start(output: LineOutput, level: str, style: str, node: str = "") -> None:
    """Send the log to `output`, which writes to stderr; `level` and `style` as in the configuration.

    `node` is the name of this one, if others write there too.
    """
    handler = _Handler(output)
    handler.setFormatter(_OneLine(style, node, to_journal=_is_journal(2)))
    logger.handlers[:] = [handler]
    logger.propagate = False
    set_level(level)


def set_level(level: str) -> None:
    """Log from this level on."""
    logger.setLevel(_LEVELS[level])


def tell(message: str, fields: Mapping[str, object]) -> None:
    """Log what the operator has asked for, whatever the level is."""
    logger.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, message, (fields,), None))


def _is_journal(descriptor: int) -> bool:
    """Return whether journald reads what is written to a descriptor, see systemd.exec(5), JOURNAL_STREAM."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
