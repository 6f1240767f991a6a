"""What a user at a terminal does about an account: secrets are asked for unseen, and kept in a file if need be."""

from __future__ import annotations

import os

from msgspec import Struct

from gchat.client.conversation.account_login import WRONG
from gchat.client.conversation.notices import Notice
from gchat.client.files.secret_file import SecretFile
from gchat.client.link.link import Link
from gchat.client.render import Line, aside
from gchat.client.secret_dialogue import SecretDialogue
from gchat.client.terminal.outbox import Outbox
from gchat.client.terminal.screen import Screen
from gchat.dialects.rich_events import AccountEvent, DoneEvent, RefusedEvent
from gchat.dialects.rich_requests import request_of
from gchat.model import commands
from gchat.model.secret import HasSecrets
from gchat.model.text import printable

NO_NAME = "Expected /login NAME: you have no nick that could be yours"


class Keeping(HasSecrets, Struct, frozen=True):
    """Where a secret may be kept, None if there is no such place; and whether that is done without a question."""

    file: SecretFile | None = None
    name: str = ""  # the account, or the nick, that the user has come with
    secret: str = ""  # what was in the file, and logs in
    without_asking: bool = False


class Logins:
    """Commands with secrets, and what comes of them."""

    def __init__(self, chat: Link, outbox: Outbox, keeping: Keeping) -> None:
        self._chat = chat
        self._login = chat.conversation.login
        self._outbox = outbox
        self._file = keeping.file
        self._name = keeping.name
        self._keeps_all = keeping.without_asking
        self._kept = (keeping.name, keeping.secret) if keeping.secret else ("", "")
        self._is_wanted = bool(keeping.secret)  # whether what logs in is to be kept

    def begin(self, screen: Screen) -> None:
        """Talk to the user on `screen` from now on."""
        self._screen = screen

    @property
    def shown(self) -> str:
        """What the toolbar says of the nick and the account."""
        nick, account = self._chat.nick, self._login.account
        if not account:
            return nick
        return f"{nick}, logged in" + ("" if nick == account else f" as {account}")

    def prove(self, command: commands.Proving) -> None:
        """Carry out a command, when the user has said what it lacks."""
        if isinstance(command, commands.Login) and not command.nick:
            command = commands.Login(self._name, command.secret)
        name = "" if isinstance(command, commands.Passwd) else command.nick
        name = name or self._login.account or self._chat.nick
        if isinstance(command, commands.Login) and not command.nick:
            self._screen.show([aside(NO_NAME, "class:refused")])
            return
        asks = self._file is not None and not self._keeps_all and self._kept[0] != name
        keep_in = _short(os.path.dirname(self._file.path)) if self._file and asks else ""
        dialogue = SecretDialogue(command, printable(name), is_private=self._chat.is_private, keep_in=keep_in)
        self._screen.ask(dialogue, self._go)

    def _go(self, dialogue: SecretDialogue) -> None:
        if dialogue.told:
            self._screen.show([aside(dialogue.told)])
            return
        command = dialogue.command
        if isinstance(command, commands.Login):
            self._name = command.nick
        self._is_wanted = dialogue.keeps or self._keeps_all or self._is_wanted
        self._outbox.put(request_of(command))

    def instead_of(self, notice: Notice) -> Line | None:
        """Return the line that is shown instead of `notice`, None if it is shown as it is."""
        if self._kept[1] and isinstance(notice, RefusedEvent) and not notice.id and notice.code in WRONG:
            assert self._file
            self._is_wanted = False
            told = f"The secret of {self._name} that is kept in {_short(self._file.path)} is not right any more; "
            return aside(f"{told}you are a guest until /login {self._name}", "class:refused")
        return None

    def follow(self, notice: Notice) -> None:
        """Have in the file what logs in next time, if that is wanted; nothing after a logout."""
        if not isinstance(notice, AccountEvent | DoneEvent):
            return
        account, secret = self._login.account, self._login.secret
        if self._file is None or (account, secret) == self._kept:
            return
        where = _short(self._file.path)
        try:
            if account and secret and self._is_wanted:
                self._file.keep(account, secret)
                self._kept = account, secret
                self._screen.show([aside(f"The secret is kept in {where}; /logout deletes it")])
            elif not account and not secret and self._kept[1]:
                self._file.forget()
                self._kept, self._is_wanted = ("", ""), False
                self._screen.show([aside(f"The secret kept in {where} is deleted")])
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            self._screen.show([aside(f"The secret cannot be kept in {where}: {why}", "class:refused")])


def _short(path: str) -> str:
    """Return a path as people write it."""
    home = os.path.expanduser("~")
    return f"~{path.removeprefix(home)}" if path.startswith(f"{home}/") else path
