"""Errors as classes: each says whose fault it is, and has a code for programs and one line for people."""

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
    ID_REUSED = "id_reused"


class GchatError(Exception):
    """The root of all errors that gchat raises on purpose; the text is one line for people."""


class Refusal(GchatError):
    """A user's request that cannot be carried out: the user is told, and nothing is logged."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class LineTooLong(Refusal):
    """A line passed the limit. The user is told once for each line; the rest, up to the next LF, is discarded."""

    def __init__(self, limit: int) -> None:
        super().__init__(Code.LINE_TOO_LONG, f"Not sent: the line is longer than {limit:,} bytes")


class LineEndless(GchatError):
    """The peer has sent so much without a newline that it does not speak in lines; its connection is closed."""
