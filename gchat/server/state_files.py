"""State files of a server: its history, and the token of its admin endpoint.

They are named by its address, always in the same way: the server, its export and its backup find the
same file, and two servers that can run at the same time never share one. A service of systemd and a container have a
directory for one server alone ($STATE_DIRECTORY), where names need no address.
"""

from __future__ import annotations

import os
from glob import escape, glob
from urllib.parse import quote

from gchat.server.listener import Place, StartError
from gchat.server.settings import Config, ServerSection
from gchat.state_directory import state_directory

#: The state directory of config/gchat.service and of the Dockerfile.
SERVICE_DIRECTORY = "/var/lib/gchat"

#: The longest name of a server, so that the name of a file stays below 255 bytes.
MAX_NAME = 180


def path_of(name: str, host: str, port: int) -> str:
    """Return the path of the state file `name`, as history.db, of the server at this address. Raises StartError."""
    if directory := _directory_of_service():
        return os.path.join(directory, name)
    stem, dot, ending = name.partition(".")
    return os.path.join(_directory(), f"{stem}-{server_name(host, port)}{dot}{ending}")


def history_path(config: Config, host: str, port: int) -> str:
    """Return where the history of the server at this address is; "" if it is not in a file. Raises StartError."""
    if config.store != "sqlite":
        return ""
    return config.history.path or path_of("history.db", host, port)


def found_history(config: Config) -> str:
    """Return where the history is for a command that reads one: if this user's usual server has none, the service's.

    "" if it is not stored. Raises StartError.
    """
    server, usual = config.server, ServerSection()
    path = history_path(config, server.host, server.port)
    is_usual = not config.history.path and (server.host, server.port) == (usual.host, usual.port)
    if path and is_usual and not os.path.exists(path) and os.path.lexists(SERVICE_DIRECTORY):
        return os.path.join(SERVICE_DIRECTORY, "history.db")
    return path


def token_path(config: Config, host: str, port: int) -> str:
    """Return where the admin token of the server at this address is. Raises StartError."""
    return config.admin.token_file or path_of("admin-token", host, port)


def tokens_path(config: Config, host: str, port: int) -> str:
    """Return where the named tokens of the server at this address are. Raises StartError."""
    return config.admin.tokens_file or path_of("admin-tokens", host, port)


def server_name(host: str, port: int) -> str:
    """Return the name of the server at this address, however that is written; two addresses have two names.

    127.0.0.1_8888, --1_8888 for [::1]:8888, and _run_gchat_chat.sock for the Unix socket /run/gchat/chat.sock.
    """
    if "/" in host:
        parts = os.path.realpath(host).split("/")
        name = "_".join(quote(part, safe="").replace("_", "%5F") for part in parts)
    else:
        # tar and scp would take a name with a colon for a file on another host.
        name = f"{quote(_numeric(host, port), safe=':').replace(':', '-')}_{port}"
    if len(name) <= MAX_NAME:
        return name
    from hashlib import sha256  # noqa: PLC0415  # it loads OpenSSL

    return f"{name[: MAX_NAME - 64]}{sha256(name.encode()).hexdigest()}"


def _numeric(host: str, port: int) -> str:
    """Return the address that a host stands for, as the listener finds it; the host itself if it is unknown."""
    try:
        return str(Place(host, port).resolved()[4][0])
    except StartError:
        return host


def other_history(path: str) -> str:
    """Return the newest history of another address in the same directory; "" if there is none, or this one exists."""
    directory, name = os.path.split(path)
    others = [] if os.path.exists(path) else glob(f"{escape(directory)}/{name.partition('-')[0]}-*.db")
    return max(others, key=os.path.getmtime, default="")


def _directory_of_service() -> str:
    """Return the directory that systemd or a container has for this server; "" if there is none.

    A program that runs in another service has that one's: so it is ours only if it is called gchat, as in
    StateDirectory=gchat or gchat/blue.
    """
    first = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return first if os.path.isabs(first) and "gchat" in first.split("/") else ""


def _directory() -> str:
    """Return the directory of all state files. Raises StartError."""
    try:
        return state_directory()
    except FileNotFoundError:
        raise StartError(
            "cannot tell where to store files: neither XDG_STATE_HOME nor HOME is an absolute path; "
            "set one of them, or use --db FILE or --memory, and set admin.token_file or use --no-admin"
        ) from None
