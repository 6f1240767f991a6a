"""The settings: each is one row with its type, bounds, sentence, what applies it to a running server, and default.

A row is `key: Annotated[type, Meta(bounds, description), applied by, TOLD] = default`. A setting without a function
that applies it changes only with a restart, because it is part of sockets and buffers that exist already. The
environment, config/gchat.toml, `--print-config`, a reload (SIGHUP) and a welcome's `limits` follow from these rows.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast, get_args, get_type_hints

from msgspec import Meta, Struct, field

from gchat.chat.limits import Rates
from gchat.chat.networks import networks_of
from gchat.cli import split_address
from gchat.server.cluster_settings import ClusterSection
from gchat.server.hook_settings import HooksSection
from gchat.server.setting_application import (
    Applied,
    core,
    core_as,
    core_unless_0,
    live,
    log_level,
    rates,
    retention,
)

#: In a row: programs are told the limit, in the `limits` of a welcome.
TOLD = "told"

# --- Bounds that several settings have -------------------------------------------------------------------------------


def _is_host(text: str) -> None:
    """Raise ValueError for a host with a port."""
    if split_address(text)[1] is not None:
        raise ValueError("a host alone, because the port has a setting of its own")


def _is_networks(text: str) -> None:
    """Raise ValueError for anything but networks."""
    try:
        networks_of(text)
    except ValueError:
        raise ValueError('networks separated by spaces, such as "127.0.0.0/8 ::1"') from None


_HOST = Meta(extra={"check": _is_host})

_NETWORKS = Meta(extra={"check": _is_networks})

# The access to a Unix socket: its mode as in chmod, and its group.
_SocketMode = Annotated[
    str,
    Meta(pattern="^(0?[0-7]{3})?$", title='an octal file mode in quotes, such as "0660"'),
    Meta(description='the file mode of the Unix socket, such as "0660"; empty: set by the umask'),
]
_SocketGroup = Annotated[
    str, Meta(description="the group of the Unix socket, by name or number; empty: the server's own")
]

# --- The table -------------------------------------------------------------------------------------------------------


class ServerSection(Struct, forbid_unknown_fields=True):
    """The section [server]."""

    host: Annotated[
        str,
        _HOST,
        Meta(min_length=1, description="an address or a host name; :: is IPv6 and IPv4; with a slash: a Unix socket"),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="the TCP port; 0 takes a free one")] = 8888
    mode: _SocketMode = ""
    group: _SocketGroup = ""
    listen_backlog: Annotated[
        int, Meta(ge=1, le=65535, description="connections that may wait to be accepted (TCP's backlog)")
    ] = 4096
    max_connections: Annotated[
        int,
        Meta(
            ge=0,
            description="connections at a time; more are turned away; 0: as many as the limit of open files allows",
        ),
        live,
    ] = 0
    announce_after_s: Annotated[
        float, Meta(ge=0, le=3600, description="seconds until a silent newcomer is announced to the room"), core
    ] = 1.0
    greeting_delay_s: Annotated[
        float,
        Meta(ge=0, le=5, description="seconds until a silent connection is greeted; gchat-client speaks first"),
        live,
    ] = 0.15
    prompt: Annotated[
        str, Meta(max_length=80, description="the prompt after the greeting of the plain dialect"), core
    ] = "[You] "
    motd: Annotated[
        str, Meta(max_length=4000, description="the message of the day, shown below the greeting"), core
    ] = ""
    trusted_proxies: Annotated[
        str,
        _NETWORKS,
        Meta(
            description="networks of proxies, separated by spaces; their PROXY headers and X-Forwarded-For are "
            "believed, and a connection of theirs to the chat without a header is refused"
        ),
        live,
    ] = ""
    reuse_port: Annotated[
        bool, Meta(description="let other nodes on this machine listen on the same ports; the kernel shares users out")
    ] = False
    drain_s: Annotated[
        float,
        Meta(ge=0, le=3600, description="when the server stops: seconds over which gchat-clients are sent elsewhere"),
        live,
    ] = 0.0


class AdminSection(Struct, forbid_unknown_fields=True):
    """The section [admin]."""

    enabled: Annotated[bool, Meta(description="whether the admin endpoint is started")] = True
    host: Annotated[
        str, _HOST, Meta(min_length=1, description="an address or a host name; with a slash: a Unix socket")
    ] = "127.0.0.1"
    port: Annotated[
        int, Meta(ge=-1, le=65535, description="the TCP port; 0 takes a free one; -1: the port of the chat, plus 1")
    ] = -1
    mode: _SocketMode = ""
    group: _SocketGroup = ""
    token_file: Annotated[
        str, Meta(description="the file of the admin token, created if missing; empty: in the state directory")
    ] = ""
    read_token_file: Annotated[
        str, Meta(description="the file of a read-only token (Prometheus, dashboards), created if missing; empty: none")
    ] = ""
    tokens_file: Annotated[
        str,
        Meta(
            description="the file with the hashes of named tokens, which gchat-server --make-token writes; "
            "empty: in the state directory"
        ),
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
        bool, Meta(description="allow a host that other machines can reach: tokens cross the network unencrypted")
    ] = False


class AuthSection(Struct, forbid_unknown_fields=True):
    """The section [auth]."""

    password_file: Annotated[
        str,
        Meta(description="the file of the server's password, which everybody needs to come in; empty: no password"),
        live,
    ] = ""
    registration: Annotated[
        Literal["open", "operator", "closed"],
        Meta(description='who makes accounts: "open": users (/register), "operator": you alone, "closed": nobody'),
        core,
    ] = "open"
    required: Annotated[
        bool,
        Meta(description="whether users who are not logged in may do nothing but log in"),
        core_as("login_required"),
    ] = False
    allow_plaintext: Annotated[
        bool,
        Meta(description="take secrets of accounts from other machines without TLS, where others can read them"),
        core,
    ] = False
    operators: Annotated[
        str,
        Meta(description="accounts that keep order on the server (/ban, /mute, /kill, /announce), separated by spaces"),
        core,
    ] = ""


class TlsSection(Struct, forbid_unknown_fields=True):
    """The section [tls]."""

    cert: Annotated[
        str, Meta(description="the certificate's file (PEM), with those between it and a known one; empty: no TLS")
    ] = ""
    key: Annotated[str, Meta(description="the file of its private key (PEM); empty: the key is in the same file")] = ""
    required: Annotated[
        bool, Meta(description="whether users without TLS are turned away; a Unix socket needs none"), live
    ] = False
    min_version: Annotated[
        Literal["1.2", "1.3"], Meta(description='the oldest version of TLS: "1.2" or "1.3"'), live
    ] = "1.2"


class LimitsSection(Struct, forbid_unknown_fields=True):
    """The section [limits]."""

    max_line_bytes: Annotated[
        int,
        Meta(ge=16, le=65536, description="bytes in a line; a longer one is refused"),
        core_as("max_text_bytes"),
        TOLD,
    ] = 8192
    messages_per_s: Annotated[
        float,
        Meta(
            ge=0,
            le=10**9,
            description="lines a second from one user; faster ones are delayed, not lost; 0: no rate limit at all",
        ),
        rates,
        TOLD,
    ] = 5.0
    burst: Annotated[
        int, Meta(ge=1, le=10**9, description="lines that may come at once before messages_per_s applies"), rates, TOLD
    ] = 40
    bytes_per_s: Annotated[
        float,
        Meta(ge=0, le=10**12, description="bytes a second from one user, in the same way; 0: no limit"),
        rates,
        TOLD,
    ] = 16384.0
    bytes_burst: Annotated[
        int, Meta(ge=1, le=10**12, description="bytes that may come at once before bytes_per_s applies"), rates, TOLD
    ] = 65536
    network_factor: Annotated[
        float,
        Meta(
            ge=0,
            le=10**6,
            description="the users from one network (an address, or an IPv6 /64) together may send this many times "
            "what one user may, and at once half as many times the burst; 0: no limit",
        ),
        rates,
        TOLD,
    ] = 4.0
    connections_per_ip: Annotated[
        int,
        Meta(
            ge=0,
            description="connections from one network, and disconnected users who may come back; an office may be "
            "behind one address; 0: no limit",
        ),
        core_unless_0("connections_per_network"),
    ] = 200
    rooms_per_network: Annotated[
        int,
        Meta(ge=0, description="rooms in use that users from one network opened; 0: no limit"),
        core_unless_0("rooms_per_network"),
        TOLD,
    ] = 50
    exempt: Annotated[
        str,
        _NETWORKS,
        Meta(description="networks without the limits of a network, separated by spaces; the rate of each user stays"),
        core,
    ] = "127.0.0.0/8 ::1"
    room_log_bytes: Annotated[
        int, Meta(ge=4096, le=2**30, description="bytes that a slow reader may lag behind before messages are skipped")
    ] = 1048576
    send_buffer_bytes: Annotated[
        int, Meta(ge=4096, le=2**24, description="the kernel's send buffer of each connection (SO_SNDBUF)")
    ] = 65536
    stall_timeout_s: Annotated[
        float, Meta(gt=0, le=86400, description="seconds until a reader that takes almost nothing is closed"), live
    ] = 60.0
    presence_quiet_above: Annotated[
        int, Meta(ge=0, description="members; a larger room is not told of users who enter and leave"), core
    ] = 500
    max_rooms: Annotated[int, Meta(ge=1, le=1000000, description="the largest number of rooms"), core] = 1000
    max_rooms_per_user: Annotated[
        int, Meta(ge=1, le=1000, description="rooms that a user is in at once"), core, TOLD
    ] = 50
    nick_max: Annotated[int, Meta(ge=1, le=100, description="the longest nick, in characters"), core, TOLD] = 32

    def rates(self) -> tuple[Rates, Rates]:
        """Return how fast a user may send, and all users of a network together."""
        if not self.messages_per_s:
            return Rates(), Rates()
        own = Rates(self.messages_per_s, self.burst, self.bytes_per_s, self.bytes_burst)
        return own, own.times(self.network_factor)


class HistorySection(Struct, forbid_unknown_fields=True):
    """The section [history]."""

    store: Annotated[
        Literal["sqlite", "memory"],
        Meta(description='"sqlite": all of it, in a file; "memory": the last room_log_bytes of each room, not on disk'),
    ] = "sqlite"
    path: Annotated[str, Meta(description="the database file, created if missing; empty: in the state directory")] = ""
    sync: Annotated[
        Literal["full", "normal"],
        Meta(description='every message that was shown survives a power cut ("full"), or a crash ("normal")'),
    ] = "full"
    replay_on_join: Annotated[
        int, Meta(ge=0, le=100, description="old messages shown to a user who enters a room"), core
    ] = 10
    keep_days: Annotated[float, Meta(ge=0, le=10**6, description="older messages are deleted; 0: never"), retention] = (
        0.0
    )
    keep_messages: Annotated[int, Meta(ge=0, description="messages that are kept in each room; 0: all"), retention] = 0


class LogSection(Struct, forbid_unknown_fields=True):
    """The section [log]."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="debug, info, warning or error"), log_level
    ] = "info"
    format: Annotated[Literal["text", "json"], Meta(description="text, or json: one object per line")] = "text"


class Config(Struct, forbid_unknown_fields=True):
    """All settings."""

    server: Annotated[ServerSection, Meta(description="The chat: where it listens, and how it greets.")] = field(
        default_factory=ServerSection
    )
    admin: Annotated[
        AdminSection, Meta(description="The admin endpoint: users online, metrics and actions, over HTTP.")
    ] = field(default_factory=AdminSection)
    auth: Annotated[AuthSection, Meta(description="Accounts and passwords: who comes in, and who keeps order.")] = (
        field(default_factory=AuthSection)
    )
    tls: Annotated[
        TlsSection,
        Meta(description="TLS, for the chat on its one port and for the admin endpoint; SIGHUP reads the files again."),
    ] = field(default_factory=TlsSection)
    limits: Annotated[LimitsSection, Meta(description="Limits: how much a user, a room and the server may do.")] = (
        field(default_factory=LimitsSection)
    )
    history: Annotated[HistorySection, Meta(description="The history: what is stored of the conversation.")] = field(
        default_factory=HistorySection
    )
    hooks: Annotated[HooksSection, Meta(description="Outgoing hooks: what is said in a room, posted to a URL.")] = (
        field(default_factory=HooksSection)
    )
    cluster: Annotated[
        ClusterSection, Meta(description="Several nodes that share their rooms; see docs/cluster.md.")
    ] = field(default_factory=ClusterSection)
    log: Annotated[LogSection, Meta(description="The log, on stderr.")] = field(default_factory=LogSection)

    @property
    def store(self) -> str:
        """Where the history is: "sqlite", "memory", or "valkey"."""
        return "valkey" if self.cluster.url else self.history.store

    @property
    def admin_port(self) -> int:
        """The port of the admin endpoint: beside a chat on a free port or on a Unix socket, a free one."""
        if self.admin.port >= 0:
            return self.admin.port
        return 0 if "/" in self.server.host or not self.server.port else self.server.port + 1


#: section: its sentence. (A docstring is lost where Python runs with -OO.)
SENTENCES = {
    name: cast("str", get_args(section)[1].description)
    for name, section in get_type_hints(Config, include_extras=True).items()
}

#: section: key: its type and the rest of its row.
ROWS = {name: get_type_hints(section, include_extras=True) for name, section in get_type_hints(Config).items()}


def applied_by(section: str, key: str) -> Applied | None:
    """Return the function that applies a setting; None if it changes only with a restart."""
    return cast("Applied | None", next(filter(callable, get_args(ROWS[section][key])[1:]), None))


def told(config: Config) -> tuple[tuple[str, float], ...]:
    """Return the limits that programs are told."""
    return tuple(
        (key, getattr(getattr(config, section), key))
        for section, rows in ROWS.items()
        for key, row in rows.items()
        if TOLD in get_args(row)
    )
