"""What can go wrong, as classes: whose fault it is, a code for programs, and one line for people."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a request was refused: stable names for programs; the message beside it is for people."""

    BAD_COMMAND = "bad_command"
    LINE_TOO_LONG = "line_too_long"
    BAD_NAME = "bad_name"
    NAME_TAKEN = "name_taken"
    NO_SUCH_USER = "no_such_user"
    TOO_MANY_ROOMS = "too_many_rooms"
    NOT_READING = "not_reading"
    BANNED = "banned"
    NOT_KEPT = "not_kept"
    REPLACED = "replaced"


class GchatError(Exception):
    """The root of every error that gchat raises on purpose; its text is one line for a person."""


class Refusal(GchatError):
    """A user asked for something that cannot be: not a fault of ours, and answered, never logged."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LineTooLong(Refusal):
    """A line passed the limit, told once a line; what follows, up to the next LF, is discarded."""

    def __init__(self, limit: int) -> None:
        super().__init__(Code.LINE_TOO_LONG, f"Not sent: the line is longer than {limit:,} bytes")


class LineEndless(GchatError):
    """The peer has sent so much without a newline that it is not talking lines: close it."""
