"""Errors as classes: whose fault each is, a code for programs, and one line for people."""

from __future__ import annotations

from enum import StrEnum


class Code(StrEnum):
    """Why a request was refused: stable names for programs; the message beside it is for people."""

    BAD_COMMAND = "bad_command"
    LINE_TOO_LONG = "line_too_long"
    TOO_MANY_LINES = "too_many_lines"
    BAD_NAME = "bad_name"
    NAME_TAKEN = "name_taken"
    NO_SUCH_USER = "no_such_user"
    TOO_MANY_ROOMS = "too_many_rooms"
    NOT_READING = "not_reading"
    BANNED = "banned"
    NOT_KEPT = "not_kept"
    ID_REUSED = "id_reused"
    REPLACED = "replaced"
    TOO_MUCH = "too_much"
    NO_SUCH_PLACE = "no_such_place"
    NOT_IN_ROOM = "not_in_room"
    INVITE_ONLY = "invite_only"
    BAD_KEY = "bad_key"
    ROOM_FULL = "room_full"
    MODERATED = "moderated"
    NOT_OPERATOR = "not_operator"
    MUTED = "muted"
    REGISTERED = "registered"
    WRONG_SECRET = "wrong_secret"  # noqa: S105  # a code
    WEAK_SECRET = "weak_secret"  # noqa: S105
    TOO_MANY_TRIES = "too_many_tries"
    UNSAFE = "unsafe"
    LOGIN_NEEDED = "login_needed"
    TLS_NEEDED = "tls_needed"
    PASSWORD_NEEDED = "password_needed"  # noqa: S105  # a code
    WRONG_PASSWORD = "wrong_password"  # noqa: S105


class GchatError(Exception):
    """The base class of every error that gchat raises on purpose; its text is one line for people."""


class Refusal(GchatError):
    """A user asked for something that is not possible. It is answered and never logged, because it is not our fault."""

    def __init__(self, code: Code, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s  # 0: it is not a matter of time


class LineTooLong(Refusal):
    """A line is longer than the limit. It is reported once, and the rest of the line is discarded."""

    def __init__(self, limit: int) -> None:
        super().__init__(Code.LINE_TOO_LONG, f"Not sent: the line is longer than {limit:,} bytes")


class TooManyLines(Refusal):
    """A text has more lines than the limit."""

    def __init__(self, lines: int, limit: int) -> None:
        super().__init__(Code.TOO_MANY_LINES, f"Not sent: the text has {lines:,} lines, the limit is {limit}")


class LineEndless(GchatError):
    """The peer has sent so much without a newline that it does not speak in lines; the connection is closed."""
