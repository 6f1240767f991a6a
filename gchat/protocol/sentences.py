"""The sentences that both the plain dialect and gchat-client show: each stands here once, without the mark before it.

Pure. Names and texts in them are not yet printable: whoever sends or shows a sentence makes the whole of it so.
"""

from __future__ import annotations

from collections.abc import Sequence

#: What users do begins with `*`, so what the server says of them must not: nobody can type these marks.
SAYS, LEAVES = "> ", "< "

NO_TOPIC = "There is no topic"
NO_MESSAGES = "There are no such messages"
NOTHING_FOUND = "Nothing found. Search matches whole words; depl* matches deploy"
OLDER_MAY_MATCH = "… there may be older matches; add a word to narrow the search"
NOBODY_TO_ANSWER = "Nobody has sent you a private message yet; /msg NAME TEXT sends one"
NO_TEXT = "Not sent: the text is empty"


def users(count: int) -> str:
    """Return `(3 users online)`."""
    return f"({count:,} user{'' if count == 1 else 's'} online)"


def connected(online: int) -> str:
    """Return the greeting."""
    return f"Connected to the chat server {users(online)}"


def entered(name: str, online: int) -> str:
    """Return that one user came into a room."""
    return f"New user {name} entered {users(online)}"


def left(name: str, online: int) -> str:
    """Return that one user is gone from a room."""
    return f"The user {name} left {users(online)}"


def renamed(old: str, new: str) -> str:
    """Return that a user goes by another name."""
    return f"{old} is now {new}"


def many_entered(count: int, online: int) -> str:
    """Return that several users came at once."""
    return f"{count:,} users entered {users(online)}"


def many_left(count: int, online: int) -> str:
    """Return that several users went at once."""
    return f"{count:,} users left {users(online)}"


def many_renamed(count: int) -> str:
    """Return that several users took other names at once."""
    return f"{count:,} users changed their names"


def named(nick: str) -> str:
    """Return what a user is told who has taken a nick."""
    return f"You are now {nick}"


def joined(room: str, online: int) -> str:
    """Return what a user is told who has moved to a room."""
    return f"You are now in {room} {users(online)}"


def announced(text: str) -> str:
    """Return what the operator says to everybody."""
    return f"Announcement: {text}"


def topic_set(name: str, text: str) -> str:
    """Return that a user has given the room another topic, or none."""
    return f"{name} set the topic: {text}" if text else f"{name} cleared the topic"


def topic_is(text: str, by: str) -> str:
    """Return what the topic is; `by` may be "", if nobody knows."""
    if not text:
        return NO_TOPIC
    return f"The topic is: {text}" + (f" (set by {by})" if by else "")


def more_history(seq: int) -> str:
    """Return that a page is not the end, and how to go on."""
    return f"… there is more: /history {seq}"


def members(room: str, names: Sequence[str], total: int, you: str) -> str:
    """Return who is in a room: the first of `total` names."""
    listed = ", ".join(f"{name} (you)" if name == you else name for name in names)
    more = total - len(names)
    return f"In {room} {users(total)}: {listed}" + (f", and {more:,} more" if more > 0 else "")


def rooms(found: Sequence[tuple[str, int, str]], total: int, here: str) -> list[str]:
    """Return a line for each room (name, members, topic), and how many more there are."""
    lines = []
    for name, count, topic in found:
        you = ", you are here" if name == here else ""
        lines.append(f"{name} {users(count)}{you}" + (f": {topic}" if topic else ""))
    return lines + ([f"… and {total - len(found):,} more"] if total > len(found) else [])


def slowed(messages_per_s: float) -> str:
    """Return what a fast sender is told, once."""
    each = f"{messages_per_s:g} line{'' if messages_per_s == 1 else 's'}"
    return f"You send faster than {each} a second: the server reads you more slowly, nothing is lost"


def skipped(first: int, last: int) -> str:
    """Return which messages a slow reader has missed; both numbers are among them."""
    count = last - first + 1
    which = f"{first}-{last}" if count > 1 else f"{first}"
    return f"… {count:,} message{'' if count == 1 else 's'} skipped ({which}), /history {first}"


def unknown_command(name: str) -> str:
    """Return that there is no such command, and what to type."""
    return f"Unknown command /{name}; type /help for the list, or //{name} to say it"


def usage(problem: str, how: str) -> str:
    """Return what is wrong with a command's arguments, and how it is typed."""
    return f"{problem}. Usage: {how}"
