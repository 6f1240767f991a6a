"""The exceptions of a link."""

from __future__ import annotations

from gchat.model.errors import GchatError


class TimedOut(GchatError, TimeoutError):
    """A call took longer than its timeout_s."""


class ConnectFailed(GchatError, ConnectionError):
    """There is no connection. `final`: another attempt would fail likewise. `is_plain`: a PlainLink might work.

    `is_absent`: no server listens there. `is_mute`: the server has closed without a word, as one of TLS does that hears
    plain text. `code` is the server's, "" if it gave none.
    """

    def __init__(
        self,
        address: str,
        reason: str,
        *,
        final: bool = False,
        is_plain: bool = False,
        is_absent: bool = False,
        is_mute: bool = False,
        code: str = "",
    ) -> None:
        super().__init__(f"cannot connect to {address}: {reason}")
        self.reason = reason
        self.final = final
        self.is_plain = is_plain
        self.is_absent = is_absent
        self.is_mute = is_mute
        self.code = code

    @property
    def wants_password(self) -> bool:
        """Whether the server wants a password, or another one."""
        return self.code in ("password_needed", "wrong_password")


class NotGranted(ConnectFailed):
    """The server has not granted the nick or the room, without which nothing is to be said."""

    def __str__(self) -> str:
        return self.reason


class LinkClosed(GchatError):
    """The link was closed, by this side or for good by the server: nothing can be said on it."""


class LinkMisused(GchatError):
    """A link was used where it cannot work; the text says which rule was broken."""


class Unacknowledged(GchatError):
    """Something that was said is not stored, or nobody knows: the server has refused it, or not answered in time."""

    def __init__(self, address: str, texts: list[str], refusals: list[str]) -> None:
        parts = []
        if texts:
            parts.append(f"{_messages(len(texts))} not acknowledged by {address} and may not have been said")
        if refusals:
            parts.append(f"{_messages(len(refusals))} refused by {address}: {refusals[-1]}")
        super().__init__("; ".join(parts))
        self.texts = texts  # what was not acknowledged
        self.refusals = refusals  # why what was refused was not said


def _messages(count: int) -> str:
    return "1 message was" if count == 1 else f"{count:,} messages were"
