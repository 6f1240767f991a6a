"""Commands: what users ask, as frozen values. A dialect decides how one is written, chat what it does."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs

from gchat.model.errors import Refusal
from gchat.model.hello import ResumePoint
from gchat.model.secret import HasSecrets


class Asked(Struct, frozen=True, kw_only=True, tag=True):
    """A command with an id, chosen by the client, that comes back in the answer."""

    id: str = ""


class AskedInRoom(Asked, frozen=True, kw_only=True):
    """A command about a room that the user is in: by default the current one, which was entered last."""

    room: str = ""


class Say(Struct, frozen=True, gc=False):
    """Say texts to a room. All of one read are one command, which makes them cheap; see messages.Said."""

    texts: tuple[str, ...]
    ids: tuple[str, ...] = ()  # one for each text; empty if none has an id
    room: str = ""  # see AskedInRoom


class Act(AskedInRoom, frozen=True):
    """Describe an action to the room: /me."""

    text: str


class Tell(Asked, frozen=True):
    """Send a private message."""

    to: str
    text: str


class Reply(Struct, frozen=True):
    """Answer the last private message."""

    text: str


class Nick(Asked, frozen=True):
    """Take a nick."""

    nick: str


class Join(Asked, frozen=True):
    """Enter one more room, which becomes the current one; with `leave`, leave the room that is it now."""

    room: str
    after: ResumePoint | None = None  # up to where the user has read it before
    leave: Literal["current"] | None = None
    key: str = ""  # if the room needs one


class Part(AskedInRoom, frozen=True):
    """Leave a room."""

    reason: str = ""


class Topic(AskedInRoom, frozen=True):
    """Set the room's topic, clear it with an empty text, or ask for it without a text."""

    text: str | None = None


class Who(AskedInRoom, frozen=True):
    """Ask for the members of the room."""


class BeAway(Asked, frozen=True):
    """Be away for a reason, or without one be back."""

    reason: str = ""


class Ignore(Struct, frozen=True, tag=True):
    """Ignore the user of this name, or with an empty name ask who is ignored."""

    name: str = ""


class Unignore(Struct, frozen=True, tag=True):
    """Ignore the user of this name no more."""

    name: str


class Rooms(Asked, frozen=True):
    """Ask for the list of rooms."""


class Kick(AskedInRoom, frozen=True):
    """Put a user out of the room."""

    name: str
    reason: str = ""


class Invite(AskedInRoom, frozen=True):
    """Invite a user to the room, which lets them in."""

    name: str


class Mode(AskedInRoom, frozen=True):
    """Change the room's modes or ranks, or ask for them with an empty text; see model.modes."""

    change: str = ""


# --- What operators of the server ask --------------------------------------------------------------------------------


class Kill(Asked, frozen=True):
    """Close a user's connection."""

    name: str
    reason: str = ""


class Ban(Asked, frozen=True):
    """Let a user, a nick, an address or a network not in, for so many seconds, or for ever with 0."""

    whom: str
    for_s: float = 0.0
    reason: str = ""
    force: bool = False  # whether it is meant, although it is of very many users, or of operators


class Unban(Asked, frozen=True):
    """Lift a ban: the one with this id, or all of a nick, an account, an address or a network."""

    which: str


class Bans(Asked, frozen=True):
    """Ask for the bans and mutes in force."""


class Mute(Asked, frozen=True):
    """Let a user not speak, for so many seconds, or for ever with 0."""

    name: str
    for_s: float = 0.0
    reason: str = ""


class Unmute(Asked, frozen=True):
    """Lift the mutes of a user, or the one with this id."""

    which: str


class AnnounceToAll(Asked, frozen=True):
    """Announce something to all rooms."""

    text: str


class Last(Struct, frozen=True):
    """The last `count` messages of a room, beginning with the first of these."""

    count: int


class From(Struct, frozen=True):
    """The messages of a room from number `seq` on."""

    seq: int


class Before(Struct, frozen=True):
    """The messages of a room that end before number `seq`, or with the last one if that is None."""

    seq: int | None = None


#: Which old messages a page shows: the first of Last and From, the last of Before, if it cannot hold them all.
Excerpt = Last | From | Before


class History(AskedInRoom, frozen=True):
    """Ask for a page of the room's old messages."""

    excerpt: Excerpt
    limit: int | None = None  # None: as many as one answer holds


class Search(AskedInRoom, frozen=True):
    """Ask for old messages of the room that contain all of these words."""

    text: str
    limit: int | None = None  # likewise


class Register(HasSecrets, Asked, frozen=True):
    """Make a nick one's own: by default the one that the user has. Only users who know the secret have it then."""

    nick: str = ""
    secret: str = ""


class Login(HasSecrets, Asked, frozen=True):
    """Be the user whose nick it is, in that user's rooms; with `leave`, in the current one of these alone."""

    nick: str
    secret: str = ""
    leave: Literal["current"] | None = None


class Logout(Asked, frozen=True):
    """Be a user without an account again."""


class Passwd(HasSecrets, Asked, frozen=True):
    """Change the secret of the account that the user is logged in to."""

    secret: str = ""
    new: str = ""


class Unregister(HasSecrets, Asked, frozen=True):
    """Give an account up: by default the one that the user is logged in to. Its nick is anybody's then."""

    nick: str = ""
    secret: str = ""


#: Commands with secrets in them, which are checked before they are carried out.
Proving = Register | Login | Passwd | Unregister


class AskSecret(Struct, frozen=True):
    """Ask for the first secret that a command lacks: it is to be the next line."""

    of: Proving

    def filled(self, secret: str) -> Proving | AskSecret:
        """Return the command with this secret, or the question for the next one."""
        if isinstance(self.of, Passwd):
            found = structs.replace(self.of, new=secret) if self.of.secret else structs.replace(self.of, secret=secret)
            return found if found.new else AskSecret(found)
        return structs.replace(self.of, secret=secret)


class Ping(Struct, frozen=True):
    """Ask for an answer with the same text."""

    text: str


class Help(Struct, frozen=True):
    """Ask for help on one command, or on all with an empty name."""

    verb: str


class Quit(Struct, frozen=True, tag=True):
    """Leave."""


class Mistake(Asked, frozen=True):
    """A line that the dialect could not understand, kept among the commands so that it is answered in its turn."""

    refusal: Refusal


Command = (
    Say
    | Act
    | Tell
    | Reply
    | Nick
    | Join
    | Part
    | Topic
    | Who
    | BeAway
    | Ignore
    | Unignore
    | Rooms
    | Kick
    | Invite
    | Mode
    | Kill
    | Ban
    | Unban
    | Bans
    | Mute
    | Unmute
    | AnnounceToAll
    | History
    | Search
    | Register
    | Login
    | Logout
    | Passwd
    | Unregister
    | AskSecret
    | Ping
    | Help
    | Quit
    | Mistake
)
