"""What is said to a client in tests, and what a person sees of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from gchat.client.render import Line, text_of
from gchat.dialects.rich_events import SaidEvent

HERE = timezone(timedelta(hours=2))
NOW = datetime(2026, 3, 1, 12, 30, tzinfo=HERE)


def said(text: str, by: str = "bob", seq: int = 1, time: str = "2026-03-01T10:03:00.000Z") -> SaidEvent:
    return SaidEvent(room="lobby", seq=seq, time=time, from_=by, text=text)


def texts(shown: list[Line]) -> list[str]:
    return [text_of(line) for line in shown]
