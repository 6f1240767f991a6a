"""The settings of outgoing hooks: a list of tables, [[hooks.outgoing]]."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field

from gchat.model.errors import Refusal
from gchat.model.names import machine
from gchat.model.names import room as room_name


class OutgoingHook(Struct, forbid_unknown_fields=True, frozen=True):
    """One table [[hooks.outgoing]]: what is said in a room is posted to a URL."""

    url: Annotated[str, Meta(min_length=1)]
    room: Annotated[str, Meta(min_length=1)]
    prefix: str = ""  # only messages that begin with it
    secret_file: str = ""  # made if missing; bodies are signed with its secret
    name: str = "hook"  # shown with what the URL answers, if it chooses none

    @property
    def where(self) -> str:
        """The URL's scheme and host: its path may be a secret."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def _are_outgoing(hooks: list[OutgoingHook]) -> None:
    """Raise ValueError for a URL, a room or a name that cannot be."""
    for hook in hooks:
        try:
            parts = urlsplit(hook.url)
            is_url = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
        except ValueError:
            is_url = False
        if not (is_url and hook.url.isascii() and hook.url.isprintable() and " " not in hook.url):
            raise ValueError("url to be an address that begins with http:// or https://, in ASCII, without a password")
        try:
            named = room_name(hook.room)
            machine(hook.name)
        except Refusal as refusal:
            raise ValueError(f"room and name to be possible: {refusal.message}") from None
        if named != hook.room:
            raise ValueError(f'room to be written as it is shown, "{named}"')


class HooksSection(Struct, forbid_unknown_fields=True):
    """The section [hooks]."""

    outgoing: Annotated[
        list[OutgoingHook],
        Meta(
            description="[[hooks.outgoing]]: what is said in `room` is posted to `url`; prefix, secret_file, name",
            extra={"check": _are_outgoing},
        ),
    ] = field(default_factory=list)
