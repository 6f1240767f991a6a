"""The login of a user over several connections: what goes into which hello, and what is not sent again."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gchat.client.conversation.conversation import Conversation
from gchat.dialects import rich_json
from gchat.dialects.rich_events import AccountEvent, AnyEvent, RefusedEvent
from gchat.dialects.rich_requests import AnyRequest, LoginRequest, LogoutRequest, PasswdRequest, RegisterRequest
from tests.client.fake_server import Chat, Peer


class Wire:
    """A conversation and a server, connected without a socket."""

    def __init__(self, chat: Chat, conversation: Conversation) -> None:
        self.chat = chat
        self.conversation = conversation
        self.notices: list[object] = []

    def connects(self) -> str:
        """Begin a new connection; return the secret in its hello."""
        self._peer = Peer(self.chat, self._hears)
        hello = self.conversation.hello()
        self._peer.feed(rich_json.hello_line(hello))
        self.settles()
        return hello.secret

    def settles(self) -> None:
        while requests := self.conversation.outgoing():
            self._peer.feed(rich_json.lines(list(requests)))

    def loses(self) -> None:
        self._peer.leave()
        self.conversation.lost()

    def asks(self, request: AnyRequest) -> None:
        self.conversation.ask(request)
        self.settles()

    def _hears(self, data: bytes) -> None:
        for line in data.splitlines():
            event: AnyEvent | None = rich_json.event(line)
            assert event
            self.notices += self.conversation.hears(event)

    @property
    def refusals(self) -> list[str]:
        return [notice.code for notice in self.notices if isinstance(notice, RefusedEvent)]


@pytest.fixture
def chat() -> Chat:
    chat = Chat()
    chat.accounts["alice"] = "right"
    return chat


def alice(chat: Chat, secret: str = "", *, strict: bool = False) -> Wire:
    return Wire(chat, Conversation("a", nick="alice", room="lobby", secret=secret, strict=strict))


def test_a_secret_goes_into_each_hello(chat: Chat) -> None:
    wire = alice(chat, "right")
    for _ in range(3):
        assert wire.connects() == "right"
        assert wire.conversation.login.account == "alice"
        wire.loses()
    assert wire.refusals == []


@pytest.mark.parametrize(
    "request_of",
    [lambda: LoginRequest(nick="alice", secret="right"), lambda: RegisterRequest(secret="right")],
)
def test_what_the_server_has_taken_goes_into_the_next_hello(chat: Chat, request_of: Callable[[], AnyRequest]) -> None:
    wire = alice(chat)
    assert wire.connects() == ""
    wire.asks(request_of())
    assert wire.conversation.login.account == "alice"
    wire.loses()
    assert wire.connects() == "right"


def test_a_changed_secret_takes_the_place_of_the_old_one(chat: Chat) -> None:
    wire = alice(chat, "right")
    wire.connects()
    wire.asks(PasswdRequest(secret="wrong", new="x"))
    wire.asks(PasswdRequest(secret="right", new="new"))
    wire.loses()
    assert wire.connects() == "new"
    assert wire.conversation.login.account == "alice"


def test_after_a_logout_no_secret_is_sent(chat: Chat) -> None:
    wire = alice(chat, "right")
    wire.connects()
    wire.asks(LogoutRequest())
    assert wire.conversation.login.account == ""
    wire.loses()
    assert wire.connects() == ""


def test_a_wrong_secret_is_told_once_and_never_sent_again(chat: Chat) -> None:
    wire = alice(chat, "wrong")
    assert wire.connects() == "wrong"
    assert wire.refusals == ["wrong_secret"]
    assert wire.conversation.connected
    wire.loses()
    assert wire.connects() == ""
    assert wire.refusals == ["wrong_secret"]


def test_a_wrong_secret_that_was_typed_leaves_the_right_one(chat: Chat) -> None:
    wire = alice(chat, "right")
    wire.connects()
    wire.asks(LoginRequest(nick="alice", secret="typo"))
    wire.loses()
    assert wire.connects() == "right"


def test_a_secret_is_not_sent_again_where_others_can_read_along(chat: Chat) -> None:
    chat.is_unsafe = True
    wire = alice(chat, "right")
    wire.connects()
    wire.loses()
    assert wire.connects() == ""
    assert wire.refusals == ["unsafe"]


def test_after_too_many_tries_the_secret_is_still_good(chat: Chat) -> None:
    chat.wait_s = 30
    wire = alice(chat, "right")
    wire.connects()
    assert wire.refusals == ["too_many_tries"]
    chat.wait_s = 0
    assert wire.conversation.login.owed
    wire.asks(wire.conversation.login.owed)
    assert wire.conversation.login.account == "alice"
    assert wire.conversation.login.owed is None


def test_a_secret_is_only_sent_with_the_nick_that_it_is_of(chat: Chat) -> None:
    wire = alice(chat, "right")
    wire.connects()
    wire.conversation.hears(rich_json.event(b'{"type":"named","nick":"bob"}'))  # type: ignore[arg-type]
    wire.loses()
    assert wire.connects() == ""


def test_where_nothing_may_be_said_without_it_a_wrong_secret_is_the_end(chat: Chat) -> None:
    wire = alice(chat, "wrong", strict=True)
    wire.connects()
    assert wire.conversation.denied == "That is not the secret"
    assert not wire.conversation.connected


def test_an_account_that_is_gone_is_told(chat: Chat) -> None:
    wire = alice(chat, "right")
    wire.connects()
    wire.conversation.hears(AccountEvent(account=""))
    assert wire.conversation.login.account == ""


def test_no_secret_is_shown_by_a_repr() -> None:
    conversation = Conversation("a", nick="alice", secret="hunter2", password="hunter3")
    assert "hunter" not in repr(conversation.hello())
    assert "hunter" not in repr(LoginRequest(nick="alice", secret="hunter2"))
