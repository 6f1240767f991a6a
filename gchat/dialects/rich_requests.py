"""Requests of the rich dialect: what a client asks, one JSON object each. One definition for both sides.

A request is a command on the wire: `command_of` is the server's way from one to the other, `request_of` a client's.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct

from gchat.model import commands
from gchat.model.durations import MAX_S
from gchat.model.hello import ResumePoint, Seq
from gchat.model.secret import HasSecrets

#: Visible ASCII, because it is shown to other users and in logs.
Id = Annotated[str, Meta(max_length=64, pattern=r"^[!-~]*\Z", title="at most 64 visible ASCII characters")]


def _request_type(name: str) -> str:
    return name.removesuffix("Request").lower()


class RichRequest(Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type", tag=_request_type):
    """A request of a client."""

    id: Id = ""


class RoomRequest(RichRequest, frozen=True, kw_only=True):
    """A request about a room that the user is in: by default the current one, which was entered last."""

    room: str = ""


class SayRequest(RoomRequest, frozen=True, kw_only=True):
    """Say something in a room. With an id it is acknowledged, and a repetition of the id is not said again."""

    text: str


class ActRequest(RoomRequest, frozen=True, kw_only=True):
    """The same for an action: /me."""

    text: str


class TellRequest(RichRequest, frozen=True):
    """Send a private message."""

    to: str
    text: str


class NickRequest(RichRequest, frozen=True):
    """Take a nick."""

    nick: str


class JoinRequest(RichRequest, frozen=True):
    """Enter one more room, which becomes the current one; with `leave`, leave the room that is it now."""

    room: str
    after: ResumePoint | None = None
    leave: Literal["current"] | None = None
    key: str = ""


class PartRequest(RoomRequest, frozen=True, kw_only=True):
    """Leave a room."""

    reason: str = ""


class TopicRequest(RoomRequest, frozen=True, kw_only=True):
    """Set the room's topic, or clear it with an empty text; without a text, ask for it."""

    text: str | None = None


class WhoRequest(RoomRequest, frozen=True, kw_only=True):
    """Ask for the members of the room."""


class AwayRequest(RichRequest, frozen=True):
    """Be away for a reason, or without one be back."""

    reason: str = ""


class RoomsRequest(RichRequest, frozen=True):
    """Ask for the list of rooms."""


class KickRequest(RoomRequest, frozen=True, kw_only=True):
    """Put a user out of the room."""

    name: str
    reason: str = ""


class InviteRequest(RoomRequest, frozen=True, kw_only=True):
    """Invite a user to the room, which lets them in."""

    name: str


class ModeRequest(RoomRequest, frozen=True, kw_only=True):
    """Change the room's modes or ranks, as `+k KEY`, `-l`, `+b MASK`, `+o NAME`; without a change, ask for them."""

    change: str = ""


class KillRequest(RichRequest, frozen=True):
    """Close a user's connection; for operators of the server, as the requests below."""

    name: str
    reason: str = ""


ForS = Annotated[float, Meta(ge=0, le=MAX_S)]


class BanRequest(RichRequest, frozen=True):
    """Let a user, a nick, an address or a network not in, for so many seconds, or for ever with 0."""

    whom: str
    for_s: ForS = 0.0
    reason: str = ""
    force: bool = False


class UnbanRequest(RichRequest, frozen=True):
    """Lift a ban by its id, or those of a nick, an account, an address or a network."""

    which: str


class BansRequest(RichRequest, frozen=True):
    """Ask for the bans and mutes in force."""


class MuteRequest(RichRequest, frozen=True):
    """Let a user not speak, for so many seconds, or for ever with 0."""

    name: str
    for_s: ForS = 0.0
    reason: str = ""


class UnmuteRequest(RichRequest, frozen=True):
    """Lift the mutes of a user, or one by its id."""

    which: str


class AnnounceRequest(RichRequest, frozen=True):
    """Announce something to all rooms."""

    text: str


class HistoryRequest(RoomRequest, frozen=True, kw_only=True):
    """Ask for a page of old messages: the last ones, those before a number, or those after one."""

    before: Annotated[int, Meta(ge=1)] | None = None
    after: Seq | None = None
    limit: Annotated[int, Meta(ge=1)] = 100


class SearchRequest(RoomRequest, frozen=True, kw_only=True):
    """Ask for old messages with all of these words: whole words in any case; `depl*` matches words that begin so."""

    text: str
    limit: Annotated[int, Meta(ge=1)] = 20


class RegisterRequest(HasSecrets, RichRequest, frozen=True, kw_only=True):
    """Make a nick yours, by default the one that you have: only users who know the secret have it then."""

    nick: str = ""
    secret: str


class LoginRequest(HasSecrets, RichRequest, frozen=True):
    """Be the user whose nick it is, with that user's rooms and ranks; another connection of that user is closed."""

    nick: str
    secret: str


class LogoutRequest(RichRequest, frozen=True):
    """Be a user without an account again."""


class PasswdRequest(HasSecrets, RichRequest, frozen=True):
    """Change the secret of the account that you are logged in to."""

    secret: str
    new: str


class UnregisterRequest(HasSecrets, RichRequest, frozen=True, kw_only=True):
    """Give an account up, by default the one that you are logged in to."""

    nick: str = ""
    secret: str


class PingRequest(RichRequest, frozen=True):
    """Ask for a pong."""


class QuitRequest(RichRequest, frozen=True):
    """Leave for good: the other users are told at once."""


AnyRequest = (
    SayRequest
    | ActRequest
    | TellRequest
    | NickRequest
    | JoinRequest
    | PartRequest
    | TopicRequest
    | WhoRequest
    | AwayRequest
    | RoomsRequest
    | KickRequest
    | InviteRequest
    | ModeRequest
    | KillRequest
    | BanRequest
    | UnbanRequest
    | BansRequest
    | MuteRequest
    | UnmuteRequest
    | AnnounceRequest
    | HistoryRequest
    | SearchRequest
    | RegisterRequest
    | LoginRequest
    | LogoutRequest
    | PasswdRequest
    | UnregisterRequest
    | PingRequest
    | QuitRequest
)


# --- Requests and commands -------------------------------------------------------------------------------------------

#: The commands that have the fields of their requests.
_REQUESTS: dict[type[commands.Command], type[AnyRequest]] = {
    commands.Act: ActRequest,
    commands.Tell: TellRequest,
    commands.Nick: NickRequest,
    commands.Join: JoinRequest,
    commands.Part: PartRequest,
    commands.Topic: TopicRequest,
    commands.Who: WhoRequest,
    commands.BeAway: AwayRequest,
    commands.Rooms: RoomsRequest,
    commands.Kick: KickRequest,
    commands.Invite: InviteRequest,
    commands.Mode: ModeRequest,
    commands.Kill: KillRequest,
    commands.Ban: BanRequest,
    commands.Unban: UnbanRequest,
    commands.Bans: BansRequest,
    commands.Mute: MuteRequest,
    commands.Unmute: UnmuteRequest,
    commands.AnnounceToAll: AnnounceRequest,
    commands.Search: SearchRequest,
    commands.Register: RegisterRequest,
    commands.Login: LoginRequest,
    commands.Logout: LogoutRequest,
    commands.Passwd: PasswdRequest,
    commands.Unregister: UnregisterRequest,
}
_COMMANDS = {request: command for command, request in _REQUESTS.items()}

_T = TypeVar("_T", bound=Struct)


def command_of(request: AnyRequest) -> commands.Command:
    """Return the command that `request` is. Not of a SayRequest: several of them are one Say, see rich.decode."""
    match request:
        case HistoryRequest(after=None):
            return commands.History(commands.Before(request.before), request.limit, room=request.room, id=request.id)
        case HistoryRequest(after=int(seq)):
            return commands.History(commands.From(seq + 1), request.limit, room=request.room, id=request.id)
        case LoginRequest(nick, secret):
            return commands.Login(nick, secret, id=request.id)
        case PingRequest():
            return commands.Ping(request.id)
        case QuitRequest():
            return commands.Quit()
    return _alike(request, _COMMANDS[type(request)])


def request_of(command: commands.Command) -> AnyRequest:
    """Return the request that a command is. Reply, Help, Ignore, AskSecret and Mistake are a client's."""
    match command:
        case commands.Say():
            return SayRequest(text=command.texts[0], room=command.room)
        case commands.History(commands.Last(count)):
            return HistoryRequest(limit=count, room=command.room)
        case commands.History(commands.From(seq)):
            return HistoryRequest(after=seq - 1, room=command.room)
        case commands.History(commands.Before(seq)):
            return HistoryRequest(before=seq, room=command.room)
        case commands.Ping():
            return PingRequest()
        case commands.Quit():
            return QuitRequest()
    return _alike(command, _REQUESTS[type(command)])


def _alike(source: Struct, kind: type[_T]) -> _T:
    """Return a `kind` with the fields of `source`; a field that is None there has its default."""
    names = kind.__struct_fields__
    return kind(**{name: value for name in names if (value := getattr(source, name)) is not None})
