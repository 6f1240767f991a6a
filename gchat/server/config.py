"""The configuration: every key with its type, its bounds, its default and one sentence, in one place.

Command line over environment (GCHAT_SECTION_KEY) over file over default. `--print-config` and config/gchat.toml are
made from these declarations.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal, get_type_hints

from msgspec import Meta, Struct, field

from gchat.chat.limits import Rates
from gchat.chat.networks import networks_of
from gchat.model.errors import GchatError
from gchat.server import setting_values as values


class ConfigError(GchatError):
    """The configuration cannot be used: says which key, what it was, and what was expected."""


#: A file mode as in chmod.
_MODE = Meta(pattern="^(0?[0-7]{3})?$", title='an octal file mode in quotes, such as "0660"')

_NETWORKS = Meta(title='networks separated by spaces, such as "127.0.0.0/8 ::1"', extra={"check": networks_of})


class ServerSection(Struct, forbid_unknown_fields=True):
    """The chat: where it listens, and how it greets."""

    host: Annotated[
        str,
        Meta(min_length=1, description="an address or a host name; :: is IPv6 and IPv4; with a slash: a Unix socket"),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="the TCP port; 0 takes a free one")] = 8888
    mode: Annotated[
        str, _MODE, Meta(description='the file mode of the Unix socket, such as "0660"; empty: set by the umask')
    ] = ""
    group: Annotated[
        str, Meta(description="the group of the Unix socket, by name or number; empty: the server's own")
    ] = ""
    listen_backlog: Annotated[
        int, Meta(ge=1, le=65535, description="connections that may wait to be accepted (TCP's backlog)")
    ] = 4096
    max_connections: Annotated[
        int,
        Meta(
            ge=0,
            description="connections at a time; more are turned away; 0: as many as the limit of open files allows",
        ),
    ] = 0
    announce_after_s: Annotated[
        float, Meta(ge=0, le=3600, description="seconds until a silent newcomer is announced to the room")
    ] = 1.0
    greeting_delay_s: Annotated[
        float, Meta(ge=0, le=5, description="seconds until a silent connection is greeted; gchat-client speaks first")
    ] = 0.15
    prompt: Annotated[str, Meta(max_length=80, description="the prompt after the greeting of the plain dialect")] = (
        "[You] "
    )
    motd: Annotated[str, Meta(max_length=4000, description="the message of the day, shown below the greeting")] = ""


class AdminSection(Struct, forbid_unknown_fields=True):
    """The admin endpoint: users online, metrics and actions, over HTTP."""

    enabled: Annotated[bool, Meta(description="whether the admin endpoint is started")] = True
    host: Annotated[str, Meta(min_length=1, description="an address or a host name; with a slash: a Unix socket")] = (
        "127.0.0.1"
    )
    port: Annotated[
        int,
        Meta(ge=-1, le=65535, description="the TCP port; 0 takes a free one; -1: the port of the chat, plus 1"),
    ] = -1
    mode: Annotated[
        str, _MODE, Meta(description='the file mode of the Unix socket, such as "0660"; empty: set by the umask')
    ] = ""
    group: Annotated[
        str, Meta(description="the group of the Unix socket, by name or number; empty: the server's own")
    ] = ""
    token_file: Annotated[
        str,
        Meta(description="the file of the admin token, created if missing; empty: in the state directory"),
    ] = ""
    read_token_file: Annotated[
        str,
        Meta(description="the file of a read-only token (Prometheus, dashboards), created if missing; empty: none"),
    ] = ""
    public_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^/?#@\s]+(/[^?#\s]*)?)?$",
            title='a URL such as "https://chat.example/admin"',
            description="the URL of the page behind a reverse proxy; its host is accepted in Host and Origin",
        ),
    ] = ""
    names: Annotated[
        str, Meta(description="host names accepted in the Host header besides the address, separated by spaces")
    ] = ""
    insecure: Annotated[
        bool,
        Meta(description="allow a host that other machines can reach: tokens cross the network unencrypted"),
    ] = False


class LimitsSection(Struct, forbid_unknown_fields=True):
    """Limits: how much a user, a room and the server may do."""

    max_line_bytes: Annotated[int, Meta(ge=16, le=65536, description="bytes in a line; a longer one is refused")] = 8192
    messages_per_s: Annotated[
        float,
        Meta(
            ge=0,
            description="lines a second from one user; faster ones are delayed, not lost; 0: no rate limit at all",
        ),
    ] = 5.0
    burst: Annotated[int, Meta(ge=1, description="lines that may come at once before messages_per_s applies")] = 40
    bytes_per_s: Annotated[
        float, Meta(ge=0, description="bytes a second from one user, in the same way; 0: no limit")
    ] = 16384.0
    bytes_burst: Annotated[int, Meta(ge=1, description="bytes that may come at once before bytes_per_s applies")] = (
        65536
    )
    network_factor: Annotated[
        float,
        Meta(
            ge=0,
            description="the users from one network (an address, or an IPv6 /64) together may send this many times "
            "what one user may, and at once half as many times the burst; 0: no limit",
        ),
    ] = 4.0
    connections_per_ip: Annotated[
        int,
        Meta(
            ge=0,
            description="connections from one network, and disconnected users who may come back; an office may be "
            "behind one address; 0: no limit",
        ),
    ] = 200
    rooms_per_network: Annotated[
        int,
        Meta(ge=0, description="rooms in use that users from one network opened; 0: no limit"),
    ] = 50
    exempt: Annotated[
        str,
        _NETWORKS,
        Meta(description="networks without the limits of a network, separated by spaces; the rate of each user stays"),
    ] = "127.0.0.0/8 ::1"
    room_log_bytes: Annotated[
        int, Meta(ge=4096, le=2**30, description="bytes that a slow reader may lag behind before messages are skipped")
    ] = 1048576
    send_buffer_bytes: Annotated[
        int, Meta(ge=4096, le=2**24, description="the kernel's send buffer of each connection (SO_SNDBUF)")
    ] = 65536
    stall_timeout_s: Annotated[
        float,
        Meta(gt=0, le=86400, description="seconds until a reader that takes almost nothing is closed"),
    ] = 60.0
    presence_quiet_above: Annotated[
        int, Meta(ge=0, description="members; a larger room is not told of users who enter and leave")
    ] = 500
    max_rooms: Annotated[int, Meta(ge=1, le=1000000, description="the largest number of rooms")] = 1000
    nick_max: Annotated[int, Meta(ge=1, le=100, description="the longest nick, in characters")] = 32

    def rates(self) -> tuple[Rates, Rates]:
        """Return how fast a user may send, and all users of a network together."""
        if not self.messages_per_s:
            return Rates(), Rates()
        own = Rates(self.messages_per_s, self.burst, self.bytes_per_s, self.bytes_burst)
        return own, own.times(self.network_factor)


class HistorySection(Struct, forbid_unknown_fields=True):
    """The history: what is stored of the conversation."""

    store: Annotated[
        Literal["sqlite", "memory"],
        Meta(description='"sqlite": all of it, in a file; "memory": the last room_log_bytes of each room, not on disk'),
    ] = "sqlite"
    path: Annotated[str, Meta(description="the database file, created if missing; empty: in the state directory")] = ""
    sync: Annotated[
        Literal["full", "normal"],
        Meta(description='every message that was shown survives a power cut ("full"), or a crash ("normal")'),
    ] = "full"
    replay_on_join: Annotated[int, Meta(ge=0, le=100, description="old messages shown to a user who enters a room")] = (
        10
    )
    keep_days: Annotated[float, Meta(ge=0, description="older messages are deleted; 0: never")] = 0.0
    keep_messages: Annotated[int, Meta(ge=0, description="messages that are kept in each room; 0: all")] = 0


class LogSection(Struct, forbid_unknown_fields=True):
    """The log, on stderr."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error")
    ] = "info"
    format: Annotated[Literal["text", "json"], Meta(description="text, or json: one object per line")] = "text"


class Config(Struct, forbid_unknown_fields=True):
    """All settings."""

    server: ServerSection = field(default_factory=ServerSection)
    admin: AdminSection = field(default_factory=AdminSection)
    limits: LimitsSection = field(default_factory=LimitsSection)
    history: HistorySection = field(default_factory=HistorySection)
    log: LogSection = field(default_factory=LogSection)

    @property
    def admin_port(self) -> int:
        """The port of the admin endpoint: beside a chat on a free port or on a Unix socket, a free one."""
        if self.admin.port >= 0:
            return self.admin.port
        return 0 if "/" in self.server.host or not self.server.port else self.server.port + 1


#: (section, key): what can change while the server runs. The rest is part of sockets and buffers that exist already.
RELOADABLE = frozenset(
    {
        ("server", "max_connections"),
        ("server", "announce_after_s"),
        ("server", "greeting_delay_s"),
        ("server", "prompt"),
        ("server", "motd"),
        ("limits", "max_line_bytes"),
        ("limits", "messages_per_s"),
        ("limits", "burst"),
        ("limits", "bytes_per_s"),
        ("limits", "bytes_burst"),
        ("limits", "network_factor"),
        ("limits", "connections_per_ip"),
        ("limits", "rooms_per_network"),
        ("limits", "exempt"),
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

#: section: key: its type and its bounds.
_TYPES = {name: get_type_hints(section, include_extras=True) for name, section in get_type_hints(Config).items()}

#: The environment variable of each (section, key).
_VARIABLES = {f"GCHAT_{section}_{key}".upper(): (section, key) for section, keys in _TYPES.items() for key in keys}


#: How alike a wrong name and the name that was probably meant are.
_ALIKE = 0.8


def load(path: str | None, environment: Mapping[str, str], arguments: Mapping[tuple[str, str], str]) -> Config:
    """Return the configuration; `arguments` maps (section, key) to what the command line says. Raises ConfigError.

    A file that cannot be read raises OSError. Variables that set nothing are in ignored().
    """
    config = Config()
    if path is not None:
        for section, key, value in _file_values(path):
            _set(config, section, key, value, where=f"{path}: {section}.{key}", strict=True)
    for name, value in environment.items():
        if (place := _VARIABLES.get(name)) and not _is_link(name, value):
            _set(config, *place, value, where=name, strict=False)
    for (section, key), text in arguments.items():
        _set(config, section, key, text, where=f"{section}.{key}", strict=False)
    if config.history.path == ":memory:":  # as in SQLite
        config.history.store, config.history.path = "memory", ""
    if config.admin.enabled and "/" not in config.admin.host and config.admin_port > 65535:
        raise ConfigError("the admin endpoint has no port after 65535; set admin.port, or type --no-admin")
    return config


def ignored(environment: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return a warning for each variable that is probably a misspelled setting, and the names of the others."""
    misspelled, foreign = [], []
    known = [variable.removeprefix("GCHAT_") for variable in _VARIABLES]
    for name, value in environment.items():
        is_link = _is_link(name, value)
        if not name.startswith("GCHAT_") or (name in _VARIABLES and not is_link):
            continue
        meant = "" if is_link else _meant(name.removeprefix("GCHAT_").upper(), known)
        if meant:
            misspelled.append(f"unknown environment variable {name}, ignored; did you mean GCHAT_{meant}?")
        else:
            foreign.append(name)
    return misspelled, foreign


def _is_link(name: str, value: str) -> bool:
    """Return whether Kubernetes or docker has set this variable, to say where another container is.

    Beside a service called gchat-server: GCHAT_SERVER_PORT=tcp://10.0.0.1:8888, GCHAT_SERVER_SERVICE_HOST=10.0.0.1.
    """
    return re.match("(tcp|udp|sctp)://", value) is not None or re.search("_SERVICE_(HOST|PORT)(_|$)", name) is not None


def dump(config: Config) -> str:
    """Return `config` as TOML, each key with its sentence; load() reads it back as the same."""
    parts = ["# The configuration of gchat-server: every setting, with its default unless you changed it.\n"]
    for section, hints in _TYPES.items():
        settings = getattr(config, section)
        parts.append(f"\n# {type(settings).__doc__}\n[{section}]\n")
        for key, hint in hints.items():
            parts.append(f"{key} = {values.toml(getattr(settings, key))}  # {values.meta(hint, 'description')}\n")
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
    import tomllib  # noqa: PLC0415  # most servers have no file

    try:
        table = tomllib.loads(_read(path).removeprefix(codecs.BOM_UTF8).decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: not UTF-8 at byte {error.start + 1}; save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: not TOML: nested too deeply") from None
    found = []
    for section, keys in table.items():
        if section not in _TYPES and not isinstance(keys, dict):
            raise ConfigError(
                f"{path}: {section} = {values.shown(keys)}: expected a section; {_expected_section(section)}"
            )
        if section not in _TYPES:
            raise ConfigError(f"{path}: unknown section [{section}]; {_expected_name(section, _TYPES, '[{}]')}")
        if not isinstance(keys, dict):
            raise ConfigError(f"{path}: {section} = {values.shown(keys)}: expected a section, [{section}]")
        for key, value in keys.items():
            if key not in _TYPES[section]:
                raise ConfigError(f"{path}: unknown key {section}.{key}; {_expected_key(section, key)}")
            found.append((section, key, value))
    return found


def _read(path: str) -> bytes:
    """Return the content of a regular file: a FIFO would be waited for, a device may be endless. Raises OSError."""
    kind = stat.S_IFMT(os.stat(path).st_mode)
    if kind != stat.S_IFREG:
        what = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}.get(kind, "a device")
        error = errno.EISDIR if kind == stat.S_IFDIR else errno.EINVAL
        raise OSError(error, f"it is {what}; expected a regular file")
    with open(path, "rb") as file:
        return file.read()


def _expected_key(section: str, key: str) -> str:
    """Return what was probably meant by an unknown key, or which keys there are."""
    elsewhere = [other for other, keys in _TYPES.items() if key in keys]
    if elsewhere:
        return f"did you mean {elsewhere[0]}.{key}?"
    return _expected_name(key, _TYPES[section], section + ".{}")


def _expected_section(key: str) -> str:
    """Return in which section a key at the top of the file was probably meant to be."""
    sections = [f"[{section}]" for section, keys in _TYPES.items() if key in keys]
    return f"did you mean {key} in {' or '.join(sections)}?" if sections else f"there are {', '.join(_TYPES)}"


def _expected_name(name: str, known: Iterable[str], shown: str) -> str:
    meant = _meant(name, known)
    return f"did you mean {shown.format(meant)}?" if meant else f"expected one of {', '.join(known)}"


def _meant(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like this one; "" if none is."""
    from difflib import get_close_matches  # noqa: PLC0415

    return next(iter(get_close_matches(name, list(known), 1, _ALIKE)), "")


def _set(config: Config, section: str, key: str, value: object, *, where: str, strict: bool) -> None:
    hint = _TYPES[section][key]
    try:
        converted = values.converted(value, hint, strict=strict)
    except ValueError as error:
        raise ConfigError(f"{where} = {values.shown(value)}: expected {error}") from None
    setattr(getattr(config, section), key, converted)
