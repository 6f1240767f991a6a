"""What the user has asked of the server and not been answered."""

from __future__ import annotations

import time
from typing import Any

import gevent
from gevent.queue import Queue

from gchat.client.link.errors import LinkClosed
from gchat.client.link.link import Link
from gchat.client.render import Line, aside
from gchat.client.terminal.screen import Screen
from gchat.dialects.rich_requests import ActRequest, AnyRequest, PingRequest, SayRequest, TellRequest
from gchat.model.errors import LineTooLong
from gchat.model.text import printable

#: A message of the user's own is shown as pending when its ack takes longer; most come at once.
MARKED_S = 0.25

#: Pending messages that are shown; the rest are counted.
MAX_WAITING_LINES = 5


class Outbox:
    """Requests on their way to a link, in order. Putting one in never blocks."""

    def __init__(self, chat: Link) -> None:
        self._chat = chat
        self._queue: Queue[AnyRequest] = Queue()
        self._asked_at: dict[str, float] = {}  # by the id of what others are to hear

    def put(self, request: AnyRequest) -> None:
        """Have `request` sent."""
        self._queue.put(request)

    def send(self, screen: Screen) -> None:
        """Send requests until the link is closed; this greenlet may wait."""
        try:
            while True:
                self._ask(self._queue.peek(), screen)
                self._queue.get()
        except LinkClosed:
            pass

    def answered(self, id_: str) -> float | None:
        """Note that there is an answer; return how long it took, None if nothing was asked by this id."""
        asked_at = self._asked_at.pop(id_, None)
        return None if asked_at is None else time.monotonic() - asked_at

    def unsent(self) -> list[str]:
        """Return what may not have been said, as it was typed."""
        unanswered = [*self._chat.conversation.pending.values(), *self._queue.queue]
        return [text for request in unanswered if (text := _words(request))]

    def waiting(self) -> list[Line]:
        """Return the messages that are not acked yet, as they are shown above the prompt."""
        before = time.monotonic() - MARKED_S
        pending = self._chat.conversation.pending.values()
        requests = [request for request in pending if self._asked_at.get(request.id, before) <= before]
        if requests:  # or the queue has only what is about to be asked
            requests += self._queue.queue
        texts = [printable(text) for request in requests if (text := _words(request))]
        shown = [[("class:pending", f"⋯ {text}")] for text in texts[-MAX_WAITING_LINES:]]
        if len(texts) > MAX_WAITING_LINES:
            shown.insert(0, [("class:pending", f"⋯ {len(texts) - MAX_WAITING_LINES:,} more")])
        return shown

    def _ask(self, request: AnyRequest, screen: Screen) -> None:
        try:
            request_id = self._chat.ask(request)
        except LineTooLong as refusal:
            screen.show([aside(refusal.message, "class:refused")])
            return
        if isinstance(request, SayRequest | ActRequest | TellRequest | PingRequest):
            self._asked_at[request_id] = time.monotonic()
            gevent.spawn_later(MARKED_S, screen.refresh)


def _words(request: Any) -> str:
    """Return the text of a request as it would be typed, in one line; "" if it has none."""
    match request:
        case SayRequest():
            return _brief(request.text)
        case ActRequest():
            return f"/me {_brief(request.text)}"
        case TellRequest():
            return f"/msg {request.to} {_brief(request.text)}"
    return ""


def _brief(text: str) -> str:
    """Return the first line of a text, and how many more there are."""
    first, *further = text.split("\n")
    return first + (f" (+{len(further)} line{'' if len(further) == 1 else 's'})" if further else "")
