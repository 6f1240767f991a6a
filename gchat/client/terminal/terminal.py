"""A chat on a terminal, from the first line to the farewell."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import suppress

import gevent

from gchat.client.files.seen_file import SeenFile
from gchat.client.files.settings_file import ClientSettings
from gchat.client.link.errors import Unacknowledged
from gchat.client.link.link import Link
from gchat.client.link.plain_link import PlainLink
from gchat.client.render import aside
from gchat.client.terminal.logins import Keeping
from gchat.client.terminal.plain_talk import PlainTalk
from gchat.client.terminal.rich_talk import RichTalk
from gchat.client.terminal.screen import Screen


def run(
    chat: Link | PlainLink,
    settings: ClientSettings,
    seen_file: SeenFile | None,
    *,
    taken_nick: str,
    notes: Iterable[str],
    keeping: Keeping,
) -> int:
    """Chat on the terminal until the user leaves; return the exit code. Another window may have this user's nick.

    The `notes` are said first.
    """
    talk: RichTalk | PlainTalk
    if isinstance(chat, Link):
        talk = RichTalk(chat, settings, seen_file, taken_nick=taken_nick, keeping=keeping)
    else:
        talk = PlainTalk(chat)
    screen = Screen(talk, settings)
    gevent.signal_handler(signal.SIGINT, screen.interrupt)
    for number in (signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(number, screen.leave)
    screen.show(aside(note, "class:refused") for note in notes)
    talk.begin(screen)
    try:
        screen.run()
        failed = talk.ended
        talk.leave()
        _close(chat)
        screen.finish([aside(talk.farewell())] if not failed else [])
    except OSError:  # the terminal is gone, and the user with it
        _close(chat)
        return 0
    return int(failed)


def _close(chat: Link | PlainLink) -> None:
    with suppress(Unacknowledged):  # the farewell tells
        chat.close()
