"""The start of the command: the user's files, the link, the password of the server, and then a terminal or pipes."""

from __future__ import annotations

import argparse
import os
import signal
from typing import TYPE_CHECKING

from msgspec import structs

from gchat.cli import spelled
from gchat.client import pipe
from gchat.client.destination import Destination
from gchat.client.files.given_secret import given_secret
from gchat.client.files.safety import NEEDS, Safety
from gchat.client.files.secret_file import own_secret_file
from gchat.client.files.seen_file import SeenFile
from gchat.client.files.settings_file import ClientSettings
from gchat.client.files.token_file import TokenFile, TokenWithheld, own_token_file
from gchat.client.link.errors import ConnectFailed
from gchat.client.link.link import Link, connect
from gchat.client.link.plain_link import PlainLink

if TYPE_CHECKING:
    from gchat.client.link.tls import Trust
    from gchat.client.terminal.logins import Keeping

#: Said at each start with --insecure.
UNCHECKED = (
    "The certificate of the server is not checked (--insecure): it may be another server, and others may read along"
)

#: How often a person may type the password of the server.
TRIES = 3


class Start:
    """What is known from the command line on. A person `asks` for nothing twice: questions come only at a terminal."""

    def __init__(self, args: argparse.Namespace, where: Destination, tls: Trust | None, *, asks: bool) -> None:
        self._args = args
        self._where = where
        self._tls = tls
        self._asks = asks
        self._safety = tls.safety if tls else Safety.PLAIN
        self._password = given_secret(args.password_file, "password") if args.password_file else ""
        self._secret = given_secret(args.secret_file, "secret") if args.secret_file else ""
        self._notes = [UNCHECKED] if args.insecure else []

    def in_pipe(self, *, is_typed: bool) -> int:
        """Talk between pipes; return the exit code."""
        for note in self._notes:
            pipe.complain(note[0].lower() + note[1:])
        try:
            chat = self._connected(None, more_rooms=(), replay=0, strict=not is_typed)
        except ConnectFailed as error:
            return _failed(error)
        return pipe.run(chat, listen=self._args.listen, as_json=self._args.json, is_typed=is_typed)

    def on_terminal(self, settings: ClientSettings) -> int:
        """Talk on the terminal; return the exit code."""
        from gchat.client.terminal import terminal  # noqa: PLC0415  # pipes need no prompt_toolkit
        from gchat.client.terminal.logins import Keeping  # noqa: PLC0415

        args = self._args
        tokens, keeping = None, Keeping()
        rooms: tuple[str, ...] = ()
        if not args.plain:
            args.nick = args.nick or settings.nick
            rooms = (args.room,) if args.room else settings.rooms
            args.room = next(iter(rooms), None)
            tokens = self._token_file()
            keeping = self._keeping(tokens)
        taken_nick = args.nick if tokens and not tokens.is_ours else ""  # another window is this user
        args.nick_suffix = args.nick_suffix or bool(taken_nick)
        settings.color = settings.color and not args.no_color and not os.environ.get("NO_COLOR")
        settings.vi = settings.vi or args.vi
        try:
            chat = self._connected(tokens, more_rooms=rooms[1:], replay=None, strict=False)
        except ConnectFailed as error:
            return _failed(error)
        seen = _seen_file(tokens)
        return terminal.run(chat, settings, seen, taken_nick=taken_nick or "", notes=self._notes, keeping=keeping)

    # --- The link ----------------------------------------------------------------------------------------------------

    def _connected(
        self, tokens: TokenFile | None, *, more_rooms: tuple[str, ...], replay: int | None, strict: bool
    ) -> Link | PlainLink:
        """Return a link; a person is asked for the server's password if it wants one. Raises ConnectFailed."""
        args, where = self._args, self._where
        if args.plain:
            return PlainLink(where.host, where.port, wait=args.wait, tls=self._tls)
        for tries_left in range(TRIES, -1, -1):
            try:
                return connect(
                    where.host,
                    where.port,
                    nick=args.nick or "",
                    room=args.room or "",
                    more_rooms=more_rooms,
                    replay=replay,
                    wait=args.wait,
                    strict=strict,
                    nick_suffix=args.nick_suffix,
                    token_file=tokens,
                    tls=self._tls,
                    secret=self._secret,
                    password=self._password,
                )
            except ConnectFailed as error:
                if not (error.wants_password and self._asks and tries_left):
                    raise
                self._password = _typed_password(error)
        raise AssertionError("unreachable")

    # --- Files -------------------------------------------------------------------------------------------------------

    @property
    def _address(self) -> str:
        return spelled(self._where.host, self._where.port)

    def _token_file(self) -> TokenFile | None:
        """Return the file that makes a person who comes back the same user; None if there can be none."""
        try:
            file = own_token_file(self._address, self._args.nick or "", self._safety)
            if self._args.forget:
                file.forget()
            file.load()
        except TokenWithheld as withheld:
            self._notes.append(f"You are a new user here, because your token is for {withheld.needs} only")
            return None
        except OSError:  # a read-only home, or none
            return None
        return file

    def _keeping(self, tokens: TokenFile | None) -> Keeping:
        """Return where the secret of an account may be kept; and log in by what is kept.

        Not if the user comes under another nick, or another window is this user: an account has one connection.
        """
        from gchat.client.terminal.logins import Keeping  # noqa: PLC0415  # for terminals alone

        args = self._args
        nothing = Keeping(None, args.nick or "", "", args.keep_secret)
        try:
            file = own_secret_file(self._address, self._safety)
            if args.forget:
                file.forget()
            kept = file.load()
        except OSError:
            return nothing
        nothing = structs.replace(nothing, file=file)
        if kept is None or self._secret or (tokens and not tokens.is_ours):
            return nothing
        if args.nick and args.nick.casefold() != kept.account.casefold():
            return nothing
        if not file.is_for(kept):
            why = f"because the secret of {kept.account} is kept for {NEEDS[kept.safety]} only"
            self._notes.append(f"You are not logged in, {why}")
            return nothing
        args.nick, self._secret = kept.account, kept.secret
        return structs.replace(nothing, name=kept.account, secret=kept.secret)


def _seen_file(tokens: TokenFile | None) -> SeenFile | None:
    """Return the file beside the token that keeps what the user has seen; None if another window is the same user."""
    if tokens is None or not tokens.is_ours:
        return None
    return SeenFile(f"{tokens.path.removesuffix('.token')}.seen")


def _typed_password(error: ConnectFailed) -> str:
    """Have a person type the password of the server, unseen. Raises ConnectFailed, which is why they are asked."""
    from getpass import getpass  # noqa: PLC0415  # most servers want none

    pipe.complain(error.reason)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # else Ctrl+C would leave the terminal silent
    try:
        return getpass("Password of the server: ")
    except (EOFError, KeyboardInterrupt):
        raise error from None
    finally:
        signal.signal(signal.SIGINT, before)


def _failed(error: ConnectFailed) -> int:
    pipe.complain(pipe.failure_text(error))
    return 1
