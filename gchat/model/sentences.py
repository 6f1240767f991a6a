"""The sentences that both the plain dialect and gchat-client show: each stands here once, without the mark before it.

Pure. Names and texts in them are not yet printable: the code that sends or shows a sentence makes all of it so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from math import ceil
from types import MappingProxyType

from gchat.model.errors import Refusal
from gchat.model.modes import LETTERS, Change, parse

#: Lines from the server begin with these marks, which no user can type. Actions of users begin with `*`.
SAYS, LEAVES = "> ", "< "

#: The further lines of a text begin with this mark. It is behind all that a user types in one line, so nobody can forge
#: it; and a line that begins with it belongs to the last one that does not.
CONTINUES = "    | "

NO_TOPIC = "There is no topic"
NO_MESSAGES = "There are no such messages"
NOTHING_FOUND = "Nothing found. Search matches whole words; depl* matches deploy"
OLDER_MAY_MATCH = "… there may be older matches; add a word to narrow the search"
NOBODY_TO_ANSWER = "Nobody has sent you a private message yet; /msg NAME TEXT sends one"
IN_NO_ROOM = "You are in no room; /join ROOM enters one"
NO_TEXT = "The text is empty"
IGNORING_ONESELF = "You cannot ignore yourself"
NOT_LOGGED_IN = "You are not logged in; /login NAME logs in"
NOTHING_TYPED = "No secret was typed, so nothing is changed"
LATE_HELLO = "Not sent: the hello of the rich dialect must be the first line"


def users(count: int) -> str:
    """Return `(3 users online)`."""
    return f"({count:,} user{'' if count == 1 else 's'} online)"


def connected(online: int) -> str:
    """Return the greeting."""
    return f"Connected to the chat server {users(online)}"


def entered(name: str, online: int) -> str:
    """Return that one user has entered a room."""
    return f"New user {name} entered {users(online)}"


def left(name: str, online: int, reason: str = "") -> str:
    """Return that one user has left a room, and why, if that is known."""
    return f"The user {name} left {users(online)}" + (f": {reason}" if reason else "")


def renamed(old: str, new: str) -> str:
    """Return that a user has a new name."""
    return f"{old} is now {new}"


def many_entered(count: int, online: int) -> str:
    """Return that several users have entered a room."""
    return f"{count:,} users entered {users(online)}"


def many_left(count: int, online: int) -> str:
    """Return that several users have left a room."""
    return f"{count:,} users left {users(online)}"


def many_renamed(count: int) -> str:
    """Return that several users have new names."""
    return f"{count:,} users changed their names"


def away(name: str, reason: str) -> str:
    """Return that a user is away, or without a reason is back."""
    return f"{name} is away: {reason}" if reason else f"{name} is back"


def many_away(count: int) -> str:
    """Return that several users went away or came back."""
    return f"{count:,} users went away or came back"


def you_are_away(reason: str) -> str:
    """Return the answer to a user who has gone away, or without a reason has come back."""
    return f"You are away: {reason}; /back ends it" if reason else "You are back"


def ignored(name: str) -> str:
    """Return the answer to a user who ignores another one from now on."""
    return f"You are not shown what {name} says any more; /unignore {name} ends it"


def unignored(name: str) -> str:
    """Return the answer to a user who ignores another one no more."""
    return f"You are shown again what {name} says"


def not_ignored(name: str) -> str:
    """Return the answer to a user who is to be shown again what was never hidden."""
    return f"You do not ignore {name}; /ignore lists the names"


def you_ignore(names: Sequence[str]) -> str:
    """Return the answer to a user who asks whom they ignore."""
    return f"You ignore {', '.join(names)}" if names else "You ignore nobody"


def named(nick: str) -> str:
    """Return the answer to a user who has taken a nick."""
    return f"You are now {nick}"


def taken_meanwhile(name: str, old: str) -> str:
    """Return what a user is told whose nick somebody else has taken while their node was cut off."""
    return f"You are {name} now: {old} was taken while this server was cut off"


def replied(name: str) -> str:
    """Return the answer to a user whose reply has arrived."""
    return f"Your reply went to {name}"


def registered(nick: str) -> str:
    """Return the answer to a user whose nick is theirs from now on."""
    return f"The nick {nick} is yours: /login {nick} has it back, wherever you are"


def logged_in(account: str) -> str:
    """Return the answer to a user who has logged in."""
    return f"You are logged in as {account}"


def logged_out(account: str) -> str:
    """Return the answer to a user who has logged out."""
    return f"You are not logged in as {account} any more"


def unregistered(account: str) -> str:
    """Return the answer to a user who has given an account up."""
    return f"The nick {account} is not registered any more: anybody can take it"


def not_yours(nick: str) -> str:
    """Return why a user has lost a nick."""
    return f"The nick {nick} is registered, and its user has come; /nick NAME takes another"


def login_needed(registration: str) -> str:
    """Return what users without an account are to do, where nobody else may talk."""
    register = ", or take a nick (/nick NAME) and make it yours (/register)" if registration == "open" else ""
    return f"Only users who are logged in may talk here: /login NAME{register}"


def secret_wanted(what: str) -> str:
    """Return how to type a secret as a line of its own."""
    return f"{what}: type it as your next line, which nobody else sees (an empty line: never mind)"


def joined(room: str, online: int) -> str:
    """Return the answer to a user who has entered a room."""
    return f"You are now in {room} {users(online)}"


def parted(room: str) -> str:
    """Return the answer to a user who has left a room."""
    return f"You have left {room}; /join ROOM enters another, or this one again"


def announced(text: str) -> str:
    """Return an announcement of the operator."""
    return f"Announcement: {text}"


def kicked(name: str, by: str, room: str, reason: str, online: int) -> str:
    """Return that a user was put out of a room."""
    return f"{by} put {name} out of {room} {users(online)}" + (f": {reason}" if reason else "")


def you_were_kicked(by: str, room: str, reason: str) -> list[str]:
    """Return the same for that user, and how to come back."""
    why = f": {reason}" if reason else ""
    return [f"{by} put you out of {room}{why}", f"/join {room} comes back, unless you are banned there"]


def invited(room: str, by: str) -> str:
    """Return that a user is invited to a room."""
    return f"{by} invites you to {room}; /join {room} goes there"


_MODES_SET = {
    "+i": "{by} made {room} invite-only",
    "-i": "{by} opened {room} to users who are not invited",
    "+m": "{by} made {room} moderated: only operators and users with a voice can speak",
    "-m": "{by} lets everybody in {room} speak",
    "+n": "{by} closed {room} to messages from outside",
    "-n": "{by} opened {room} to messages from outside",
    "+s": "{by} took {room} off the list of rooms",
    "-s": "{by} put {room} on the list of rooms",
    "+t": "{by} lets only operators set the topic of {room}",
    "-t": "{by} lets everybody set the topic of {room}",
    "+k": "{by} set the key of {room}: /join {room} {what}",
    "-k": "{by} removed the key of {room}",
    "+l": "{by} set the limit of {room} to {what}",
    "-l": "{by} removed the limit of {room}",
    "+b": "{by} banned {what} from {room}",
    "-b": "{by} lifted the ban of {what} from {room}",
    "+e": "{by} excepted {what} from the bans of {room}",
    "-e": "{by} ended the exception of {what} from the bans of {room}",
    "+I": "{by} gave {what} a standing invitation to {room}",
    "-I": "{by} ended the standing invitation of {what} to {room}",
    "+o": "{by} made {what} an operator of {room}",
    "-o": "{by} removed {what} from the operators of {room}",
    "+v": "{by} gave {what} a voice in {room}",
    "-v": "{by} took the voice of {what} in {room}",
}
_RANKS_BACK = {"o": "{what} is an operator of {room}", "v": "{what} has a voice in {room}"}


def mode_set(by: str, room: str, change: Change) -> str:
    """Return that a user has changed a room's modes or ranks; without a name, that a user has a rank again."""
    sentence = _MODES_SET[("+" if change.adds else "-") + change.letter]
    if not by:
        sentence = _RANKS_BACK.get(change.letter, sentence)
    return sentence.format(by=by or "The server", room=room, what=change.argument)


def modes_changed(by: str, room: str, text: str) -> list[str]:
    """Return the same for changes that a server tells, as they are typed; it may know modes that are unknown here."""
    try:
        return [mode_set(by, room, change) for change in parse(text)]
    except Refusal:
        return [f"{by or 'The server'} set the modes of {room}: {text}"]


def modes_are(room: str, modes: str, key: str, operators: Sequence[str], voices: Sequence[str]) -> list[str]:
    """Return the modes of a room and the users with a rank there."""
    meanings = ", ".join(LETTERS[letter][1] for letter in modes.partition(" ")[0] if letter in LETTERS)
    lines = [f"Modes of {room}: {modes}" + (f" ({meanings})" if meanings else "")]
    lines += [f"The key is: {key}"] if key else []
    lines += [f"Operators: {', '.join(operators)}"] if operators else []
    return lines + ([f"With a voice: {', '.join(voices)}"] if voices else [])


_LISTS = {"b": "banned from", "e": "excepted from the bans of", "I": "invited to"}


def list_is(room: str, letter: str, masks: Sequence[str]) -> list[str]:
    """Return the masks in a list of a room."""
    if not masks:
        return [f"Nobody is {_LISTS[letter]} {room}"]
    return [f"These are {_LISTS[letter]} {room}:", *masks]


def until(time: float) -> str:
    """Return until when something lasts, as the end of a sentence: rounded up to a minute, and the same everywhere."""
    if not time:
        return "permanently"
    return f"until {datetime.fromtimestamp(ceil(time / 60) * 60, UTC):%Y-%m-%d %H:%M} UTC"


#: A ban or a mute: its number, of whom it is, until when in seconds since the epoch, its operator, and the reason.
Listed = tuple[int, Sequence[str], float, str, str]


def penalties(bans: Sequence[Listed], mutes: Sequence[Listed], more: int) -> list[str]:
    """Return the bans from the server and the mutes, and how many others there are."""
    if not bans and not mutes:
        return ["Nobody is banned from this server or muted"]
    lines: list[str] = []
    for verb, listed in (("banned", bans), ("muted", mutes)):
        for number, whom, time, by, reason in listed:
            why = f": {reason}" if reason else ""
            lines.append(f"{number} {verb} {until(time)}: {', '.join(whom)}" + (f" (by {by})" if by else "") + why)
    return lines + ([f"… and {more:,} older; the admin endpoint lists all"] if more else [])


def topic_set(name: str, text: str) -> str:
    """Return that a user has set the room's topic, or cleared it."""
    return f"{name} set the topic: {text}" if text else f"{name} cleared the topic"


def topic_is(text: str, by: str) -> str:
    """Return what the topic is; `by` is "" if the user who set it is unknown."""
    if not text:
        return NO_TOPIC
    return f"The topic is: {text}" + (f" (set by {by})" if by else "")


def more_history(seq: int) -> str:
    """Return that the history goes on after a page, and what to type."""
    return f"… there is more: /history {seq}"


def pong(text: str) -> str:
    """Return the answer to a ping."""
    return f"pong {text}".rstrip()


def new_day(day: date) -> str:
    """Return what stands between messages of different days."""
    return f"{day:%A}, {day.day} {day:%B} {day.year}"


def members(
    room: str, names: Sequence[str], total: int, you: str, away: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the members of a room: the first of `total` names, and why some of these are `away`."""
    listed = ", ".join(f"{name}{_remarks(name == you, away.get(name, ''))}" for name in names)
    more = total - len(names)
    return f"In {room} {users(total)}: {listed}" + (f", and {more:,} more" if more > 0 else "")


def _remarks(is_you: bool, why_away: str) -> str:
    found = ["you"] * is_you + [f"away: {why_away}"] * bool(why_away)
    return f" ({', '.join(found)})" if found else ""


def rooms(found: Sequence[tuple[str, int, str, bool]], total: int) -> list[str]:
    """Return a line for each room (name, members, topic, whether the reader is there), and one for those not listed."""
    lines = []
    for name, count, topic, is_here in found:
        you = ", you are here" if is_here else ""
        lines.append(f"{name} {users(count)}{you}" + (f": {topic}" if topic else ""))
    return lines + ([f"… and {total - len(found):,} more"] if total > len(found) else [])


def slowed(messages_per_s: float, bytes_per_s: float | None = None, *, together: bool = False) -> str:
    """Return the notice for a user who sends too fast, alone or together with others from the same address."""
    lines = f"{messages_per_s:g} line{'' if messages_per_s == 1 else 's'}"
    each = f"{bytes_per_s:,.0f} bytes" if bytes_per_s else lines
    senders = "Users from your address send" if together else "You send"
    return f"{senders} faster than {each} a second; your lines are delayed, none is lost"


def skipped(first: int, last: int) -> str:
    """Return which messages a slow reader has missed, from `first` to `last` inclusive."""
    count = last - first + 1
    which = f"{first}-{last}" if count > 1 else f"{first}"
    return f"… {count:,} message{'' if count == 1 else 's'} skipped ({which}), /history {first}"


def lost(count: int, first: int, last: int) -> str:
    """Return which messages that were shown are lost, from `first` to `last` inclusive."""
    which = f"{first}-{last}" if count > 1 else f"{first}"
    return f"{count:,} {'message that was shown is' if count == 1 else 'messages that were shown are'} lost ({which})"


def unknown_command(name: str) -> str:
    """Return that a command does not exist, and what to type."""
    return f"Unknown command /{name}; type /help for the list, or //{name} to say it"


def not_a_place_for_commands(name: str) -> str:
    """Return that a line of a pipe is a command and was not said, and what to write."""
    return f"Not sent: /{name} is a command, and commands do not work in a pipe; to say the line, begin it with //"


def usage(problem: str, how: str) -> str:
    """Return what is wrong with the arguments of a command, and its usage."""
    return f"{problem}. Usage: {how}"
