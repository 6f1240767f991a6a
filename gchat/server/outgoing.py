"""Outgoing hooks: what is said in a room is posted to a URL, one message after the other.

Each has a queue of its own and a greenlet that empties it, so that nobody waits for a URL but what is posted to it.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Protocol
from urllib.parse import urlsplit

import gevent
from gevent.event import Event

from gchat import __version__
from gchat.admin.backend import NotPossible, Subscriber
from gchat.admin.happenings import Happened, RoomMessage
from gchat.admin.responses import JSON
from gchat.admin.token_file import TokenError, load_or_make
from gchat.hooks.message import HookMessage
from gchat.hooks.outgoing import MAX_TRIES, answered, body_of, is_final, is_wanted, pause_s
from gchat.server.counters import CounterBy
from gchat.server.faults import Guard
from gchat.server.hook_settings import OutgoingHook
from gchat.server.http_post import Answered, PostFailed, Target, post
from gchat.server.listener import StartError
from gchat.server.logs import logger

#: Messages that wait to be posted to one URL; beyond it the oldest is dropped.
MAX_WAITING = 1000

#: A URL answers within this time, or the post has failed.
ANSWER_S = 10.0

POSTS = CounterBy(
    "gchat_outgoing_posts", "Messages for outgoing hooks, by result.", "result", ("delivered", "dropped", "retried")
)


class Answers(Protocol):
    """What outgoing hooks need of the server."""

    def subscribe_said(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with every message that is said here; in a cluster, others are said at other nodes."""

    def say_answer(self, room: str, name: str, message: HookMessage) -> None:
        """Say what a URL has answered. Waits. Raises NotPossible."""


def start_posting(hooks: list[OutgoingHook], server: Answers) -> None:
    """Begin to post what is said. Raises StartError: a secret file cannot be used."""
    for hook in hooks:
        postbox = Postbox(hook, server, _secret(hook.secret_file) if hook.secret_file else "")
        server.subscribe_said(postbox.take)
        gevent.spawn(postbox.run)


class Postbox:
    """The messages that are yet to be posted to one URL."""

    def __init__(self, hook: OutgoingHook, server: Answers, secret: str) -> None:
        self._hook = hook
        self._server = server
        self._secret = secret
        parts = urlsplit(hook.url)
        is_tls = parts.scheme == "https"
        tls = _tls() if is_tls else None
        self._target = Target(parts.hostname or "", parts.port or (443 if is_tls else 80), tls)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._waiting: deque[bytes] = deque()
        self._news = Event()
        self._failures = 0  # in a row
        self._lost = 0  # since they began
        self._has_complained = False

    def take(self, happened: Happened) -> None:
        """Queue a message, if it is one for this URL. Never waits."""
        if not isinstance(happened, RoomMessage) or happened.room != self._hook.room:
            return
        if not is_wanted(happened.from_, happened.text, self._hook.prefix):
            return
        self._waiting.append(body_of(happened.kind, happened.room, happened.seq, happened.from_, happened.text))
        if len(self._waiting) > MAX_WAITING:
            self._waiting.popleft()
            self._drop(f"more than {MAX_WAITING:,} wait")
        self._news.set()

    def run(self) -> None:
        """Post what is queued, for ever; a greenlet."""
        guard = Guard()
        while True:
            self._news.wait()
            self._news.clear()
            while self._waiting:
                guard(f"the outgoing hook to {self._hook.where}", self._post_next)

    def _post_next(self) -> None:
        """Post the oldest message; after so many failures it is given up."""
        body = self._waiting.popleft()
        for tried in range(1, MAX_TRIES + 1):
            why, pause, is_over = self._post(body)
            if not why:
                return
            if is_over or tried == MAX_TRIES:
                self._drop(why)
                return
            self._complain(f"{why}; trying again")
            POSTS.add("retried")
            gevent.sleep(pause)

    def _post(self, body: bytes) -> tuple[str, float, bool]:
        """Post a message. Return why that failed, "" if it did not, how long to wait, and whether it is no use."""
        headers = {"Content-Type": JSON, "User-Agent": f"gchat/{__version__}"}
        if self._secret:
            from gchat.hooks.signature import signature  # noqa: PLC0415  # it loads OpenSSL

            headers["X-Gchat-Signature-256"] = signature(self._secret, body)
        try:
            answer = post(self._target, self._path, body, headers, ANSWER_S)
        except PostFailed as error:
            self._failures += 1
            return str(error), pause_s(self._failures), False
        if answer.status // 100 != 2:
            self._failures += 1
            return f"it answers {answer.status}", pause_s(self._failures, answer.retry_after), is_final(answer.status)
        POSTS.add("delivered")
        self._recover()
        self._say(answer)
        return "", 0.0, True

    def _say(self, answer: Answered) -> None:
        """Say what the URL has answered, if it did."""
        message = answered(answer.media_type, answer.body)
        if message is not None:
            try:
                self._server.say_answer(self._hook.room, self._hook.name, message)
            except NotPossible as error:
                logger.warning("an answer of %(url)s was not said: %(reason)s", self._logged(str(error)))

    def _drop(self, why: str) -> None:
        POSTS.add("dropped")
        self._lost += 1
        if self._lost == 1:
            logger.error("messages for %(url)s are dropped: %(reason)s", self._logged(why))

    def _complain(self, why: str) -> None:
        if not self._has_complained:
            self._has_complained = True
            logger.warning("cannot post to %(url)s: %(reason)s", self._logged(why))

    def _recover(self) -> None:
        if self._lost or self._has_complained:
            logger.warning(
                "messages are posted to %(url)s again; %(reason)s", self._logged(f"{self._lost:,} were lost")
            )
        self._failures = self._lost = 0
        self._has_complained = False

    def _logged(self, why: str) -> dict[str, str]:
        return {"url": self._hook.where, "reason": why}


def _tls() -> Any:
    """Return how TLS is spoken: certificates are verified, and the host in them."""
    from gevent import ssl  # noqa: PLC0415  # it loads OpenSSL

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # create_default_context() makes one that blocks the loop
    context.load_default_certs()
    return context


def _secret(path: str) -> str:
    try:
        secret, is_new = load_or_make(path)
    except TokenError as error:
        raise StartError(str(error)) from None
    if is_new:
        logger.warning("created the secret of an outgoing hook in %(path)s", {"path": path})
    return secret
