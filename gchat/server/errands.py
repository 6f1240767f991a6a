"""What the command does instead of serving: it copies, prints and makes things. Each returns the exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from gchat.cli import UsageError
from gchat.dialects import plain, rich
from gchat.journal.journal import JournalError
from gchat.model.audience import Where
from gchat.model.errors import Refusal
from gchat.model.text import printable
from gchat.server.cluster_settings import without_password
from gchat.server.listener import StartError
from gchat.server.settings import Config
from gchat.server.state_files import found_history


@contextmanager
def printing() -> Iterator[None]:
    """Print inside. Raises StartError if that cannot be, or SystemExit if the reader has seen enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        raise StartError(f"cannot write to stdout: {os.strerror(error.errno or 0).lower()}") from None


def _stored(config: Config, option: str) -> str:
    """Return where the history is, for an option that reads it. Raises UsageError."""
    path = found_history(config)
    if not path:
        where = "in the engine of the cluster" if config.cluster.url else "in memory only"
        raise UsageError(f"{option} needs a stored history in a file, and this one is {where}; use --db FILE")
    return path


def backup(config: Config, copy: str) -> int:
    """Copy the history."""
    from gchat.journal.sqlite.backup import backup as copied  # noqa: PLC0415

    path = _stored(config, "--backup")
    try:
        copied(path, copy)
    except (JournalError, OSError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else str(error)
        raise StartError(f"cannot copy {path} to {copy}: {why}") from None
    with printing():
        print(f"copied {path} to {copy}")
    return 0


def export(config: Config, room: str, *, in_json: bool) -> int:
    """Print a room's history."""
    from gchat.journal.sqlite.backup import exported  # noqa: PLC0415

    path = _stored(config, "--export")
    try:
        with printing():
            for record in exported(path, room):
                if in_json:
                    sys.stdout.buffer.write(rich.encode(record, Where(room)))
                else:
                    at = datetime.fromtimestamp(record.time)
                    sys.stdout.buffer.write(f"{at:%Y-%m-%d %H:%M:%S} ".encode() + plain.encode(record))
    except JournalError as error:
        raise StartError(f"cannot export from {path}: {error}") from None
    return 0


def import_history(config: Config, path: str, workers: int) -> int:
    """Move the history in a file into the engine of the cluster, or into that of so many workers."""
    if workers and not config.cluster.url:
        from gchat.server.workers.command import with_engine  # noqa: PLC0415

        return with_engine(config, lambda: import_history(config, path, 0))
    if not config.cluster.url:
        raise UsageError("--import needs an engine to move the history to; type --cluster URL, or --workers N")
    from gchat.server.shared_history import EngineUnusable, engine_of, unusable  # noqa: PLC0415

    try:
        engine = engine_of(config.cluster)
        from gchat.cluster.engine_connection import EngineLost, EngineRefused  # noqa: PLC0415
        from gchat.cluster.importing import move_history  # noqa: PLC0415

        moved = move_history(path, engine, config.cluster.namespace)
    except EngineUnusable as error:
        raise StartError(str(error)) from None
    except (EngineLost, EngineRefused) as error:
        raise StartError(str(unusable(config.cluster, error))) from None
    except JournalError as error:
        where = without_password(config.cluster.url)
        raise StartError(f"cannot move {path} to {where}: {error}") from None
    with printing():
        print(f"moved {moved.messages:,} messages in {moved.rooms:,} rooms, and {moved.notes:,} notes, from {path}")
    return 0


def make_cert(directory: str, *names: str) -> int:
    """Make a certificate, and say how to use it."""
    try:
        from gchat.server.make_cert import make_cert as made_cert  # noqa: PLC0415
    except ImportError as error:
        raise StartError(
            f"--make-cert needs the package cryptography ({error}); type pip install cryptography"
        ) from None
    try:
        certificate, key, names_in_it = made_cert(directory, names)
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise StartError(f"cannot make a certificate in {directory}: {why}") from None
    with printing():
        print(f"made {certificate} and {key}, for {', '.join(names_in_it)}")
        print(f"server: GCHAT_TLS_CERT={shlex.quote(certificate)} GCHAT_TLS_KEY={shlex.quote(key)} gchat-server")
        print(f"client: gchat-client --tls --ca {shlex.quote(certificate)}")
    return 0


def make_hook(config: Config, room: str, name: str) -> int:
    """Make a hook, and print where programs post to."""
    from gchat.server.kept_hooks import hook_making  # noqa: PLC0415
    from gchat.server.making import make, url_of  # noqa: PLC0415

    made = make(config, hook_making(room, name))
    with printing():
        print(url_of(config, f"/hooks/{made.secret}"))
    return 0


def make_token(config: Config, name: str, scope: str) -> int:
    """Make a token, and print it this once."""
    from gchat.server.making import make  # noqa: PLC0415
    from gchat.server.token_making import token_making  # noqa: PLC0415

    made = make(config, token_making(config, name, scope))
    with printing():
        print(made.token)
    return 0


def add_account(config: Config, name: str) -> int:
    """Make an account, in the running server or in its files."""
    from getpass import getpass  # noqa: PLC0415  # most starts need none of it

    from gchat.server.account_actions import making  # noqa: PLC0415
    from gchat.server.making import make  # noqa: PLC0415

    try:
        secret = getpass(f"The secret of {printable(name)}: ") if sys.stdin.isatty() else sys.stdin.readline()
    except (EOFError, KeyboardInterrupt, UnicodeDecodeError):
        secret = ""
    if not secret.strip():
        raise UsageError("there is no secret; type it, or pipe it in as a line")
    try:
        made = make(config, making(config, name, secret.rstrip("\r\n")))
    except Refusal as refusal:
        raise StartError(refusal.message) from None
    with printing():
        print(f"made the account {printable(made.name)}: its user types /login {printable(made.name)}")
    return 0
