"""The settings of a cluster: the engine that several nodes share, and what this node is called."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gchat.server.linux import hide_argument


def _is_engine(url: str) -> None:
    """Raise ValueError for anything but an address of an engine."""
    if not url:
        return
    from gchat.cluster.engine_url import EXPECTED, BadUrl, parsed  # noqa: PLC0415  # most servers are alone

    try:
        parsed(url)
    except BadUrl:
        raise ValueError(EXPECTED.removeprefix("expected ")) from None


def without_password(url: str) -> str:
    """Return the address of an engine as it may be shown; a name alone is probably a password without its colon."""
    scheme, separator, rest = url.partition("://")
    credentials, at, place = rest.rpartition("@")
    user, colon, password = credentials.partition(":")
    return f"{scheme}{separator}{user if password else ''}{colon}{'***' if credentials else ''}{at}{place}"


def hide_password(url: str) -> None:
    """Take the password in an address out of the arguments of this process."""
    hidden = without_password(url)
    if hidden != url:
        before, after = hidden.split("***", 1)
        hide_argument(url.removeprefix(before).removesuffix(after))


class ClusterSection(Struct, forbid_unknown_fields=True):
    """The section [cluster]."""

    url: Annotated[
        str,
        Meta(
            description="the engine (Valkey, or Redis 7) that several nodes share, as valkey://:PASSWORD@HOST:6379/0; "
            "empty: this server is alone",
            extra={"check": _is_engine, "shown": without_password},
        ),
    ] = ""
    name: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{0,64}$",
            title="at most 64 letters, digits, dots, hyphens and underscores",
            description="what this node is called; empty: the name of the machine",
        ),
    ] = ""
    namespace: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9._-]{1,64}$",
            title="up to 64 letters, digits, dots, hyphens and underscores",
            description="stands before every key in the engine, so that several chats can share one",
        ),
    ] = "gchat"
    read_from: Annotated[
        Literal["primary", "replica"],
        Meta(
            description='where nodes read what is shown, of an engine with sentinels: "primary", or "replica", with '
            "which a failover loses nothing that was shown"
        ),
    ] = "primary"
