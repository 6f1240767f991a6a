"""A chat on a terminal, from the first line to the farewell."""

from __future__ import annotations

import signal
from contextlib import suppress

import gevent

from gchat.client.attention import Attention
from gchat.client.files.seen_file import SeenFile
from gchat.client.link.errors import Unacknowledged
from gchat.client.link.link import Link
from gchat.client.link.plain_link import PlainLink
from gchat.client.render import aside
from gchat.client.terminal.plain_talk import PlainTalk
from gchat.client.terminal.rich_talk import RichTalk
from gchat.client.terminal.screen import Screen


def run(chat: Link | PlainLink, seen_file: SeenFile | None, attention: Attention, *, colour: bool, vi: bool) -> int:
    """Chat on the terminal until the user leaves; return the exit code."""
    talk = RichTalk(chat, seen_file, attention) if isinstance(chat, Link) else PlainTalk(chat)
    screen = Screen(talk, colour=colour, vi=vi)
    gevent.signal_handler(signal.SIGINT, screen.interrupt)
    for number in (signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(number, screen.leave)
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
