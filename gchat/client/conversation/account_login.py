"""The account that a user is logged in to, and what logs the user in again on the next connection. Pure."""

from __future__ import annotations

from gchat.dialects.rich_events import RefusedEvent
from gchat.dialects.rich_requests import (
    AnyRequest,
    LoginRequest,
    LogoutRequest,
    PasswdRequest,
    RegisterRequest,
    UnregisterRequest,
)
from gchat.model.errors import Code

#: Why a secret that logs in by itself is wrong; and why it is not even looked at.
WRONG = (Code.WRONG_SECRET, Code.NO_SUCH_USER)
NOT_TAKEN = (*WRONG, Code.TOO_MANY_TRIES, Code.TOO_MUCH, Code.UNSAFE)


class AccountLogin:
    """The login of one user, at first the one with `name` and `secret`, if there is any.

    1. A secret that the server has taken goes into the next hello, if that asks for the nick of the account: the user
       is logged in again, also where the token is not known any more.
    2. One that is wrong, or refused on this link, is not sent again.
    3. One that came after too many wrong ones, or among too many others, is tried again: `owed` says what to ask, when
       the server allows it.
    """

    def __init__(self, name: str, secret: str) -> None:
        self.account = ""  # "" if the user is not logged in
        self.secret = secret
        self._name = name
        self._was_sent = False  # with the hello of this connection

    def opens(self, nick: str) -> str:
        """Return the secret that goes with a hello for this nick; "" if none does."""
        self._was_sent = bool(self.secret) and nick == self._name
        return self.secret if self._was_sent else ""

    def named(self, account: str) -> None:
        """Take what the server says: the account, or "" if the user is logged in to none any more."""
        self.account = account
        self._name = account or self._name

    def done(self, request: AnyRequest | None) -> None:
        """Take that the server has done what was asked; it names the account afterwards."""
        match request:
            case LoginRequest() | RegisterRequest():
                self.secret = request.secret
            case PasswdRequest():
                self.secret = request.new
            case LogoutRequest() | UnregisterRequest():
                self.secret = ""

    def refuses(self, refusal: RefusedEvent, request: AnyRequest | None) -> bool:
        """Take a refusal; return whether it is about the secret that logs in by itself, not one that was typed."""
        is_own = isinstance(request, LoginRequest) and request == self._request(request.id)
        if refusal.code not in NOT_TAKEN or not (is_own or (self._was_sent and not refusal.id)):
            return False
        if not refusal.retry_after_s:
            self.secret = ""
        return True

    @property
    def owed(self) -> LoginRequest | None:
        """What logs in now, None if there is nothing to log in by, or the user is logged in."""
        return self._request() if self.secret and not self.account else None

    def _request(self, id_: str = "") -> LoginRequest:
        return LoginRequest(nick=self._name, secret=self.secret, id=id_)
