"""The log: one event is one line, whatever is in it, and nothing of what people say. A native thread writes it."""

from __future__ import annotations

import logging
import time

import msgspec

from gchat.protocol.text import printable
from gchat.server.output import Output

logger = logging.getLogger("gchat")

#: Lines of one kind (one format string) a second; what is more is counted, and said in one line when it is over.
MAX_LINES_PER_S = 10

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class _OneLine(logging.Formatter):
    """`2026-11-22T12:03:04.567 INFO text`, or one JSON object."""

    def __init__(self, style: str) -> None:
        super().__init__()
        self._json = style == "json"

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created)) + f".{record.msecs:03.0f}"
        message = record.getMessage()
        if record.exc_info:
            message += " | " + " | ".join(self.formatException(record.exc_info).splitlines())
        if self._json:
            return msgspec.json.encode({"time": at, "level": record.levelname.lower(), "message": message}).decode()
        return f"{at} {record.levelname} {printable(message)}"


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
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output
        self.addFilter(_Sparing())

    def emit(self, record: logging.LogRecord) -> None:
        self._output.write(self.format(record).encode("utf-8", "replace") + b"\n")


def start(output: Output, level: str, style: str) -> None:
    """Send the log to `output`; `level` and `style` as in the configuration."""
    handler = _Handler(output)
    handler.setFormatter(_OneLine(style))
    logger.handlers[:] = [handler]
    logger.propagate = False
    set_level(level)


def set_level(level: str) -> None:
    """Log from this level on."""
    logger.setLevel(_LEVELS[level])
