"""The client: what speaks to a gchat server, for people (gchat-client) and for bots.

A bot in ten lines, which waits for a server, comes back by itself when the connection is lost, misses nothing, says
nothing twice, and ends quietly at Ctrl+C or SIGTERM:

    from gchat.client import Said, connect

    with connect("127.0.0.1", 8888, nick="echo", wait=True, stop_on_signals=True) as chat:
        for event in chat:
            if isinstance(event, Said) and event.text == "!ping":
                chat.say(f"{event.from_}: pong")

main           the command gchat-client: its arguments, and which of the rest it loads.
destination    where to connect. Pure.
start          from the command line to the chat: the user's files, the link, the server's password.
pipe           the chat between pipes: stdin is said, what is heard goes to stdout.
terminal/      the chat on a terminal: the screen, the keys, the draft. With prompt_toolkit, so loaded only there.
conversation/  what a client knows and has to do, whatever happens to its connections. Pure: events in, notices out.
link/          a conversation over sockets: dialling, reconnecting with a back-off, closing; what a program asks of it.
files/         the token that brings the same user back, the place to go on from, and what the user has seen.
render         how each notice looks, as lines of styled text; the sentences are those of gchat.model. Pure.
styles         the colours, by name. Pure.
nick_colours   which nick has which colour. Pure.
timeline       the times of lines, and the rules between what is old and what is new. Pure.
room_view      what a person at a terminal has of one room. Pure.
room_bar       the rooms and private conversations side by side, and which of them is on the screen. Pure.
attention      what rings the bell, and what a notification says. Pure.
action         what a line that a person enters asks: the commands are those of gchat.dialects.slash. Pure.
ignored        what of all that is not shown, because a user is ignored. Pure.
own_commands   the commands that concern only the screen of a terminal, and its help. Pure.
secret_dialogue  what a person is asked for a command with a secret in it. Pure.
completion     Tab. Pure.
paste          several lines at once: the question before they are sent; paste_check: the same in a pipe. Pure.

Nothing here knows the server, or what `model` and `dialects` know already: a new command of the server needs no line
here. An event of a new kind needs one in render.

Iterating yields the server's events as typed values, and Sent, Delivered, Lost, Back, NewLog. Use a link from the
thread that connected it; its greenlets may share it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gchat.client.conversation.conversation import Conversation
    from gchat.client.conversation.notices import Back, Delivered, Lost, NewLog, Notice, Sent
    from gchat.client.files.token_file import TokenFile
    from gchat.client.link.errors import ConnectFailed, LinkClosed, LinkMisused, TimedOut, Unacknowledged
    from gchat.client.link.link import Link, connect
    from gchat.client.link.plain_link import PlainLink
    from gchat.client.link.tls import Trust
    from gchat.dialects.rich_events import ActedEvent as Acted
    from gchat.dialects.rich_events import AnnouncedEvent as Announced
    from gchat.dialects.rich_events import AwayEvent as Away
    from gchat.dialects.rich_events import BansEvent as Bans
    from gchat.dialects.rich_events import ClosingEvent as Closing
    from gchat.dialects.rich_events import EnteredEvent as Entered
    from gchat.dialects.rich_events import FoundEvent as Found
    from gchat.dialects.rich_events import GapEvent as Gap
    from gchat.dialects.rich_events import InvitedEvent as Invited
    from gchat.dialects.rich_events import JoinedEvent as Joined
    from gchat.dialects.rich_events import KickedEvent as Kicked
    from gchat.dialects.rich_events import LeftEvent as Left
    from gchat.dialects.rich_events import ListEvent as List
    from gchat.dialects.rich_events import LiveEvent as Live
    from gchat.dialects.rich_events import ModeEvent as Mode
    from gchat.dialects.rich_events import ModesEvent as Modes
    from gchat.dialects.rich_events import NamedEvent as Named
    from gchat.dialects.rich_events import PageEvent as Page
    from gchat.dialects.rich_events import PartedEvent as Parted
    from gchat.dialects.rich_events import RefusedEvent as Refused
    from gchat.dialects.rich_events import RenamedEvent as Renamed
    from gchat.dialects.rich_events import RoomListEvent as RoomList
    from gchat.dialects.rich_events import SaidEvent as Said
    from gchat.dialects.rich_events import SlowedEvent as Slowed
    from gchat.dialects.rich_events import ToldEvent as Told
    from gchat.dialects.rich_events import TopicSetEvent as TopicSet
    from gchat.dialects.rich_events import UsersEvent as Users
    from gchat.dialects.rich_events import WelcomeEvent as Welcome
    from gchat.model.errors import GchatError, LineTooLong
    from gchat.model.hello import ResumePoint

__all__ = [
    "Acted",
    "Announced",
    "Away",
    "Back",
    "Bans",
    "Closing",
    "ConnectFailed",
    "Conversation",
    "Delivered",
    "Entered",
    "Found",
    "Gap",
    "GchatError",
    "Invited",
    "Joined",
    "Kicked",
    "Left",
    "LineTooLong",
    "Link",
    "LinkClosed",
    "LinkMisused",
    "List",
    "Live",
    "Lost",
    "Mode",
    "Modes",
    "Named",
    "NewLog",
    "Notice",
    "Page",
    "Parted",
    "PlainLink",
    "Refused",
    "Renamed",
    "ResumePoint",
    "RoomList",
    "Said",
    "Sent",
    "Slowed",
    "TimedOut",
    "TokenFile",
    "Told",
    "TopicSet",
    "Trust",
    "Unacknowledged",
    "Users",
    "Welcome",
    "connect",
]

_MODULES = (
    "gchat.client.conversation.conversation",
    "gchat.client.conversation.notices",
    "gchat.client.link.errors",
    "gchat.client.link.link",
    "gchat.client.link.plain_link",
    "gchat.client.files.token_file",
    "gchat.model.errors",
    "gchat.model.hello",
    "gchat.dialects.rich_events",
    "gchat.client.link.tls",  # the last: the others need no OpenSSL
)


if not TYPE_CHECKING:  # a name that is not exported is an error for a type checker

    def __getattr__(name: str) -> Any:
        """Import a name when it is used: gchat-client is ready for a signal before gevent is there (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__} has no attribute {name}")
        # A bot's author reads what the server tells by its short name: Said is SaidEvent.
        found = (getattr(import_module(module), each, None) for module in _MODULES for each in (name, f"{name}Event"))
        return next(value for value in found if value is not None)
