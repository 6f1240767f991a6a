"""The client: what speaks to a gchat server, for people (gchat-client) and for bots.

A bot in ten lines, which comes back by itself when the connection is lost, misses nothing and says nothing twice:

    from gchat.client import Said, connect

    with connect("127.0.0.1", 8888, nick="echo") as chat:
        for event in chat:
            if isinstance(event, Said) and event.text == "!ping":
                chat.say(f"{event.from_}: pong")

conversation  what a client knows and has to do. Pure: events in, notices out.
keeper        dialling, waiting and dialling again, for any dialect.
link          a conversation over a socket; plain_link: lines over a socket, for any line chat server.

What is iterated are the server's events as typed values, and Sent, Delivered, Lost, Back, NewLog. Use it from
greenlets of one thread.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gchat.client.conversation import Back, Conversation, Delivered, Lost, NewLog, Notice, Sent
    from gchat.client.keeper import ConnectFailed, LinkClosed
    from gchat.client.link import Link, connect
    from gchat.protocol.wire import (
        Acted,
        After,
        Announced,
        Closing,
        Entered,
        Found,
        Gap,
        Joined,
        Left,
        Live,
        Named,
        Page,
        Refused,
        Renamed,
        RoomList,
        Said,
        Slowed,
        Told,
        TopicSet,
        Users,
        Welcome,
    )

__all__ = [
    "Acted",
    "After",
    "Announced",
    "Back",
    "Closing",
    "ConnectFailed",
    "Conversation",
    "Delivered",
    "Entered",
    "Found",
    "Gap",
    "Joined",
    "Left",
    "Link",
    "LinkClosed",
    "Live",
    "Lost",
    "Named",
    "NewLog",
    "Notice",
    "Page",
    "Refused",
    "Renamed",
    "RoomList",
    "Said",
    "Sent",
    "Slowed",
    "Told",
    "TopicSet",
    "Users",
    "Welcome",
    "connect",
]

_MODULES = ("conversation", "keeper", "link")


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is: gchat-client is ready for a signal before gevent is there (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    modules = [*(f"{__name__}.{module}" for module in _MODULES), "gchat.protocol.wire"]
    return next(value for module in modules if (value := getattr(import_module(module), name, None)) is not None)
