"""The servers that are measured: gchat, the limit, and whichever peers this machine has."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gchat.server.make_cert import make_cert
from tests.bench.run import HERE, TOP, Kind, compile_c, compiler

GCHAT = Kind(
    "gchat",
    lambda port, _directory, _clients: [
        *(sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(port), "--memory", "--quiet", "--no-admin")
    ],
    greets=True,
    environment={"GCHAT_LIMITS_MESSAGES_PER_S": "0"},
)

#: The same server, with the limits that it has if nobody sets any.
GCHAT_DEFAULT_LIMITS = replace(GCHAT, name="gchat, default limits", environment={})

#: The same server, all of whose users speak the rich dialect.
GCHAT_RICH = replace(GCHAT, name="gchat, rich", mode="rich")

#: The same, whose rooms together keep about as much for slow readers, if there are ten, as one room usually does.
GCHAT_SMALL_LOGS = replace(
    GCHAT_RICH, name="gchat, small logs", environment={**GCHAT.environment, "GCHAT_LIMITS_ROOM_LOG_BYTES": "65536"}
)


def _on_disk(sync: str, path: Path | None = None) -> Kind:
    """The same server, which keeps what is said in a file."""
    return replace(
        GCHAT,
        name=f"gchat, {sync}",
        command=lambda port, directory, _clients: [
            *(sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(port), "--quiet", "--no-admin"),
            *("--db", str(path or directory / "history.db")),
        ],
        environment={**GCHAT.environment, "GCHAT_HISTORY_SYNC": sync},
    )


GCHAT_FULL, GCHAT_NORMAL = _on_disk("full"), _on_disk("normal")


def stored_in(path: Path) -> Kind:
    """The same server, with what is in this file."""
    return _on_disk("full", path)


def _with_a_certificate(kind: Kind) -> Callable[[int, Path, int], list[str]]:
    """Return the command of this server with a configuration in gchat.toml, which says where its certificate is."""

    def command(port: int, directory: Path, clients: int) -> list[str]:
        certificate, key, _ = make_cert(str(directory), ["localhost"])
        (directory / "gchat.toml").write_text(f'[tls]\ncert = "{certificate}"\nkey = "{key}"\n')
        return [*kind.command(port, directory, clients), "--config", str(directory / "gchat.toml")]

    return command


#: The same server, with a certificate; the generator's users are in TLS.
GCHAT_TLS = replace(GCHAT, name="gchat, TLS", command=_with_a_certificate(GCHAT), tls=True)

#: The same server, with nothing that was asked for but where it is.
GCHAT_AS_IT_COMES = replace(
    GCHAT,
    name="gchat as it comes",
    command=lambda port, directory, _clients: [
        *(sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(port), "--admin", str(directory / "admin")),
    ],
    environment={},
)

#: The same server, for which users on this machine are like all others: each address is a network with its limits.
GCHAT_FOR_STRANGERS = replace(
    GCHAT_AS_IT_COMES, name="gchat, loopback not exempt", environment={"GCHAT_LIMITS_EXEMPT": ""}
)

#: The same, with a certificate, and a configuration in a file, so that SIGHUP changes it.
GCHAT_WITH_A_FILE = replace(GCHAT_FOR_STRANGERS, command=_with_a_certificate(GCHAT_FOR_STRANGERS))

#: The same server, with the operator's window on a Unix socket in its directory.
GCHAT_WINDOW = replace(
    GCHAT,
    name="gchat, with its window",
    command=lambda port, directory, _clients: [
        *(sys.executable, "-m", "gchat.server.main", "127.0.0.1", str(port), "--memory", "--quiet"),
        *("--admin", str(directory / "admin")),
    ],
)


OBVIOUS = Kind("sendall loop", lambda port, _directory, _clients: [sys.executable, str(HERE / "obvious.py"), str(port)])

BARE = Kind("bare StreamServer", lambda port, _directory, _clients: [sys.executable, str(HERE / "bare.py"), str(port)])

_NGIRCD = """\
[Global]
Name = irc.bench.test
Info = bench
AdminInfo1 = bench
AdminEMail = bench@bench.test
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = bench
PidFile =
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 9
MaxPenaltyTime = 0
[Options]
ChrootDir =
DNS = no
Ident = no
IncludeDir = {directory}
PAM = no
SyslogFacility = local7
"""


def _path(program: str) -> str | None:
    """Where `program` is; daemons are not on everybody's PATH."""
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")


def _ngircd(port: int, directory: Path, _clients: int) -> list[str]:
    file = directory / "ngircd.config"
    file.write_text(_NGIRCD.format(port=port, directory=directory))
    file.chmod(0o644)
    return [_path("ngircd") or "", "-n", "-f", str(file)]


def _nats(port: int, _directory: Path, _clients: int) -> list[str]:
    return [_path("nats-server") or "", "-a", "127.0.0.1", "-p", str(port)]


def _redis(port: int, directory: Path, clients: int) -> list[str]:
    options = {"port": port, "bind": "127.0.0.1", "save": "", "maxclients": clients + 32, "dir": directory}
    return [
        _path("redis-server") or "",
        *(text for name, value in options.items() for text in (f"--{name}", str(value))),
    ]


def _ncat(port: int, _directory: Path, clients: int) -> list[str]:
    return [_path("ncat") or "", "-l", "--chat", "-m", str(clients + 10), "127.0.0.1", str(port)]


_INSTALLABLE = {
    "nats-server": Kind("NATS", _nats, mode="nats"),
    "redis-server": Kind("Redis pub/sub", _redis, mode="redis"),
    "ngircd": Kind("ngIRCd", _ngircd, mode="irc", longest=400),
    "ncat": Kind("ncat --chat", _ncat),
}


def installed(*, plain_only: bool) -> list[Kind]:
    """The peers that are here, and the obvious server, which always is."""
    found = [kind for program, kind in _INSTALLABLE.items() if _path(program)]
    return [*(kind for kind in found if kind.mode == "plain" or not plain_only), OBVIOUS]


def absent() -> list[str]:
    """The names of the peers that are not here."""
    return [kind.name for program, kind in _INSTALLABLE.items() if not _path(program)]


def limit(path: str | None, directory: Path) -> Kind | None:
    """The limit: a C server that relays lines and does nothing else, from `path`, or from where it usually is."""
    named = path or os.environ.get("GCHAT_LIMIT_C")
    source = Path(named) if named else TOP / "../shared/tools/limit.c"
    if compiler() is None or not (named or source.is_file()):
        return None
    program = compile_c(source, directory)
    return Kind("limit (C)", lambda port, _directory, _clients: [program, str(port)])
