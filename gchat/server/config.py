"""The configuration: every key with its type, its bounds, its default and one sentence, in one place.

Command line over environment (GCHAT_SECTION_KEY) over file over default. `--print-config` and config/gchat.toml are
made from what stands here.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct, field

from gchat.protocol.errors import GchatError


class ConfigError(GchatError):
    """The configuration cannot be used: says which key, what it was, and what was expected."""


class ServerSection(Struct, forbid_unknown_fields=True):
    """Where the server listens, and how it greets."""

    host: Annotated[
        str, Meta(min_length=1, description="an address or a name; :: is IPv6 and IPv4; with a / in it, a Unix socket")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="the TCP port; 0 takes a free one")] = 8888
    listen_backlog: Annotated[
        int, Meta(ge=1, le=65535, description="how many may wait to be accepted (TCP's backlog)")
    ] = 4096
    max_connections: Annotated[
        int, Meta(ge=0, description="more are told that the server is full; 0: as many as descriptors allow, less 64")
    ] = 0
    greeting_delay_s: Annotated[
        float, Meta(ge=0, le=5, description="how long a silent newcomer may still turn out to be a gchat-client")
    ] = 0.15
    announce_after_s: Annotated[
        float, Meta(ge=0, le=3600, description="how long a silent newcomer waits before the room is told")
    ] = 1.0
    prompt: Annotated[str, Meta(max_length=80, description="what stands before a newcomer's first line")] = "[You] "
    motd: Annotated[str, Meta(max_length=4000, description="lines of welcome below the greeting")] = ""


class AdminSection(Struct, forbid_unknown_fields=True):
    """The admin endpoint: users online, metrics and actions over HTTP."""

    enabled: Annotated[bool, Meta(description="whether it is started")] = True
    host: Annotated[str, Meta(min_length=1, description="an address or a name; with a / in it, a Unix socket")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="the TCP port; 0 takes a free one")] = 8889
    token_file: Annotated[
        str,
        Meta(description="the file of the admin token, created if missing; empty: in the server's state directory"),
    ] = ""
    read_token_file: Annotated[
        str,
        Meta(description="the file of a read-only token (Prometheus, dashboards), created if missing; empty: none"),
    ] = ""
    names: Annotated[
        str, Meta(description="names accepted in the Host header besides its address, separated by spaces")
    ] = ""
    insecure: Annotated[
        bool,
        Meta(description="whether tokens may cross a network unencrypted; required if host is not a loopback address"),
    ] = False


class LimitsSection(Struct, forbid_unknown_fields=True):
    """How much is allowed."""

    max_line_bytes: Annotated[int, Meta(ge=16, le=65536, description="a longer line is refused")] = 8192
    messages_per_s: Annotated[
        float, Meta(ge=0, description="who sends faster is read more slowly, and loses nothing; 0: no limit")
    ] = 5.0
    burst: Annotated[int, Meta(ge=1, description="lines that may come at once before that")] = 40
    connections_per_ip: Annotated[
        int, Meta(ge=0, description="connections from one address (of IPv6, one /64); 0: no limit")
    ] = 0
    room_log_bytes: Annotated[
        int, Meta(ge=4096, le=2**30, description="what a slow reader may lag behind before messages are skipped")
    ] = 1048576
    send_buffer_bytes: Annotated[
        int, Meta(ge=4096, le=2**24, description="the kernel's send buffer for each connection (SO_SNDBUF)")
    ] = 65536
    stall_timeout_s: Annotated[
        float,
        Meta(gt=0, le=86400, description="who reads next to nothing for so long, while something is owed, is closed"),
    ] = 60.0
    presence_quiet_above: Annotated[
        int, Meta(ge=0, description="a room with more members is not told who enters and leaves")
    ] = 500
    max_rooms: Annotated[int, Meta(ge=1, le=1000000, description="rooms at a time")] = 1000
    nick_max: Annotated[int, Meta(ge=1, le=100, description="characters in a nick")] = 32


class HistorySection(Struct, forbid_unknown_fields=True):
    """What is kept of what was said."""

    store: Annotated[
        Literal["sqlite", "memory"],
        Meta(
            description='"sqlite": all of it, in a file; "memory": the last room_log_bytes of each room, until the end'
        ),
    ] = "sqlite"
    path: Annotated[str, Meta(description="that file, made if it is not there; empty: among the server's state")] = ""
    sync: Annotated[
        Literal["full", "normal"],
        Meta(description='what anybody has seen survives a power cut ("full"), or a crash of the server ("normal")'),
    ] = "full"
    replay_on_join: Annotated[int, Meta(ge=0, le=100, description="messages shown to who enters a room")] = 10
    keep_days: Annotated[float, Meta(ge=0, description="what is older is thrown away; 0: nothing is")] = 0.0
    keep_messages: Annotated[int, Meta(ge=0, description="messages that are kept of each room; 0: all")] = 0


class LogSection(Struct, forbid_unknown_fields=True):
    """The log, on stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error")
    ] = "info"
    format: Annotated[Literal["text", "json"], Meta(description="text, or json: one object a line")] = "text"


class Config(Struct, forbid_unknown_fields=True):
    """All of it."""

    server: ServerSection = field(default_factory=ServerSection)
    admin: AdminSection = field(default_factory=AdminSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    history: HistorySection = field(default_factory=HistorySection)
    log: LogSection = field(default_factory=LogSection)


#: section, key: what can change while the server runs. The rest is part of sockets and buffers that exist already.
RELOADABLE = frozenset(
    {
        ("server", "max_connections"),
        ("server", "greeting_delay_s"),
        ("server", "announce_after_s"),
        ("server", "prompt"),
        ("server", "motd"),
        ("limits", "max_line_bytes"),
        ("limits", "messages_per_s"),
        ("limits", "burst"),
        ("limits", "connections_per_ip"),
        ("limits", "stall_timeout_s"),
        ("limits", "presence_quiet_above"),
        ("limits", "max_rooms"),
        ("limits", "nick_max"),
        ("history", "replay_on_join"),
        ("history", "keep_days"),
        ("history", "keep_messages"),
        ("log", "level"),
    }
)

_TYPES = {name: get_type_hints(section, include_extras=True) for name, section in get_type_hints(Config).items()}


def load(path: str | None, environment: Mapping[str, str], arguments: Mapping[tuple[str, str], str]) -> Config:
    """Return the configuration; `arguments` maps (section, key) to what the command line says. Raises ConfigError.

    An unreadable file raises OSError.
    """
    config = Config()
    if path is not None:
        for section, key, value in _file_values(path):
            _set(config, section, key, value, where=f"{path}: {section}.{key}", strict=True)
    for name in environment:
        if name.startswith("GCHAT_"):
            section, _, key = name.removeprefix("GCHAT_").lower().partition("_")
            _set(config, section, key, environment[name], where=name, strict=False)
    for (section, key), text in arguments.items():
        _set(config, section, key, text, where=key, strict=False)
    return config


def dump(config: Config) -> str:
    """Return `config` as TOML, each key with what it means: what load() reads back as the same."""
    parts = ["# gchat-server's configuration: every key, with its default unless you changed it.\n"]
    for section, hints in _TYPES.items():
        values = getattr(config, section)
        parts.append(f"\n# {type(values).__doc__}\n[{section}]\n")
        for key, hint in hints.items():
            parts.append(f"{key} = {_toml(getattr(values, key))}  # {_meta(hint, 'description')}\n")
    return "".join(parts)


def changes(old: Config, new: Config) -> list[tuple[str, str]]:
    """Return the (section, key) pairs in which two configurations differ."""
    return [
        (section, key)
        for section, hints in _TYPES.items()
        for key in hints
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]


def _file_values(path: str) -> list[tuple[str, str, object]]:
    with open(path, "rb") as file:
        try:
            table = tomllib.load(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not TOML: {error}") from None
        except RecursionError:
            raise ConfigError(f"{path}: not TOML for gchat: nested too deeply") from None
    values = []
    for section, keys in table.items():
        if section not in _TYPES:
            raise ConfigError(f"{path}: unknown section [{section}]; expected one of {', '.join(_TYPES)}")
        if not isinstance(keys, dict):
            raise ConfigError(f"{path}: {section} = {_shown(keys)}: expected a section, [{section}]")
        values += [(section, key, value) for key, value in keys.items()]
    return values


def _set(config: Config, section: str, key: str, value: object, *, where: str, strict: bool) -> None:
    hints = _TYPES.get(section)
    if hints is None:
        raise ConfigError(f"{where}: there is no section {section}; expected one of {', '.join(_TYPES)}")
    if key not in hints:
        raise ConfigError(f"{where}: there is no key {section}.{key}; expected one of {', '.join(hints)}")
    try:
        converted = msgspec.convert(value, hints[key], strict=strict)
        _check_odd(value, converted)
    except ValueError:  # msgspec's is one too
        raise ConfigError(f"{where} = {_shown(value)}: expected {_expected(hints[key])}") from None
    setattr(getattr(config, section), key, converted)


def _check_odd(value: object, converted: object) -> None:
    """Refuse what msgspec takes and nobody means: "1e3" as a whole number, "inf", bytes that are no text."""
    if (
        isinstance(converted, int)
        and not isinstance(converted, bool)
        and isinstance(value, str)
        and not value.isdecimal()
    ):
        raise ValueError(value)
    if isinstance(converted, float) and not math.isfinite(converted):
        raise ValueError(value)
    if isinstance(converted, str):
        converted.encode()


def _meta(hint: Any, name: str) -> Any:
    values = [getattr(meta, name) for meta in get_args(hint)[1:] if isinstance(meta, Meta)]
    return next((value for value in values if value is not None), None)


def _expected(hint: Any) -> str:
    kind = get_args(hint)[0]
    if get_origin(kind) is Literal:
        return " or ".join(f'"{choice}"' for choice in get_args(kind))
    low, high = _meta(hint, "ge"), _meta(hint, "le")
    what = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}[kind]
    if _meta(hint, "gt") is not None:
        return f"{what} above {_meta(hint, 'gt')}" + (f", at most {high}" if high is not None else "")
    if low is not None:
        return f"{what} from {low} to {high}" if high is not None else f"{what} not below {low}"
    if _meta(hint, "max_length") is not None:
        return f"{what} of at most {_meta(hint, 'max_length'):,} characters"
    return f"{what} that is not empty" if _meta(hint, "min_length") else what


def _toml(value: object) -> str:
    # A JSON string or boolean is a TOML one too, but for DEL, which no key of ours can want.
    return msgspec.json.encode(value).decode() if isinstance(value, str | bool) else str(value)


def _shown(value: object) -> str:
    text = _toml(value.encode("utf-8", "replace").decode() if isinstance(value, str) else value)
    return text if len(text) <= 60 else f"{text[:59]}…"
