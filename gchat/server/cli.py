"""The command `gchat-server`: arguments and exit codes. 0: done; 1: the machine refused; 2: wrong usage."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

import gevent

from gchat import __version__
from gchat.cli import Parser, UsageError, address, open_standard_descriptors, split_address, waiting_stdout
from gchat.dialects import plain, rich
from gchat.journal.journal import JournalError
from gchat.model.audience import Where
from gchat.model.errors import Refusal
from gchat.model.text import printable
from gchat.server import logs, signals, systemd
from gchat.server.activation import CHAT, at_passed, passed_sockets
from gchat.server.app import App
from gchat.server.config import ConfigError, dump, ignored, load
from gchat.server.history import HistoryError
from gchat.server.listener import StartError, bind
from gchat.server.logs import logger
from gchat.server.machine_errors import described
from gchat.server.settings import Config
from gchat.server.start_checks import chat_place, check_files, check_places, check_user
from gchat.server.state_files import found_history
from gchat.server.stdout import GATHER_S, Output
from gchat.server.transcript import Transcript

_NEVER_EMPTY = {
    "--config": "a file",
    "--db": "a file",
    "--backup": "a file",
    "--export": "the name of a room",
    "--add-account": "a nick",
}

_EXCLUSIVE = (
    ("--db", "--memory"),
    ("--admin", "--no-admin"),
    (
        "--check-config",
        "--print-config",
        "--export",
        "--backup",
        "--make-cert",
        "--add-account",
        "--make-hook",
        "--make-token",
    ),
)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gchat-server",
        description="A chat room that people join with nc, telnet or gchat-client.",
        epilog="Every setting of the configuration file can be set in the environment too: GCHAT_LIMITS_BURST=100. "
        "SIGTERM and SIGINT stop the server, SIGHUP reloads the configuration, SIGUSR1 logs statistics, SIGQUIT dumps "
        "the stacks.",
        allow_abbrev=False,
    )
    option = parser.add_argument
    option("host", nargs="?", metavar="HOST", help="address, host name, HOST:PORT or path of a Unix socket (127.0.0.1)")
    option("port", nargs="?", metavar="PORT", help="TCP port (8888)")
    option("--config", metavar="FILE", help="read the configuration from FILE (TOML)")
    option("--admin", metavar="HOST:PORT", help="address of the admin endpoint (127.0.0.1, the port of the chat + 1)")
    option("--no-admin", action="store_true", help="do not start the admin endpoint")
    option("--db", metavar="FILE", help="store the history in FILE, created if missing (in the state directory)")
    option("--memory", action="store_true", help="keep the history in memory only")
    option("--allow-root", action="store_true", help="listen as root where other machines can connect (in a container)")
    option("--quiet", action="store_true", help="do not show the conversation on stdout")
    option("--log-level", metavar="L", help="debug, info, warning or error")
    option("--check-config", action="store_true", help="check the configuration and what it needs, and exit")
    option("--print-config", action="store_true", help="print the configuration in force, and exit")
    option("--export", metavar="ROOM", help="print the history of ROOM, and exit; the server may be running")
    option("--backup", metavar="FILE", help="copy the history into FILE, and exit; the server may be running")
    option("--make-cert", nargs="+", metavar=("DIR", "NAME"), help="make a certificate for trying TLS in DIR, and exit")
    option("--make-hook", nargs=2, metavar=("ROOM", "NAME"), help="make a hook, print its URL, and exit")
    option(
        "--make-token",
        nargs=2,
        metavar=("NAME", "SCOPE"),
        help="make a token of the admin endpoint with the scope read, say:ROOM, moderate or all, print it, and exit",
    )
    option("--json", action="store_true", help="with --export: one JSON object a line")
    option(
        "--add-account", metavar="NAME", help="make NAME the nick of a user whose secret is read from stdin, and exit"
    )
    option("--version", action="version", version=f"gchat-server {__version__}")
    return parser


def run(arguments: list[str]) -> int:
    """Run the command with these arguments, and return its exit code."""
    open_standard_descriptors()
    sys.stdout = waiting_stdout()
    try:
        return _run(arguments)
    except (UsageError, ConfigError) as error:
        return _complain(str(error), 2)
    except StartError as error:
        return _complain(str(error), 1)
    except SystemExit as done:  # --help, --version
        return int(done.code or 0)
    except Exception as error:
        return _complain(described(error), 1)


def _complain(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"gchat-server: {printable(message)}", file=sys.stderr, flush=True)
    return code


def _run(arguments: list[str]) -> int:
    with _stdout():
        args = _parser().parse_args(arguments)
    _check_usage(args)
    if args.make_cert is not None:
        return _make_cert(*args.make_cert)
    config = _load(args)
    if args.check_config:
        return _check(config, args)
    if args.print_config:
        with _stdout():
            print(dump(config), end="")
        return 0
    if args.backup is not None:
        return _backup(config, args.backup)
    if args.export is not None:
        return _export(config, args.export, in_json=args.json)
    if args.make_hook is not None:
        return _make_hook(config, *args.make_hook)
    if args.make_token is not None:
        return _make_token(config, *args.make_token)
    if args.add_account is not None:
        return _add_account(config, args.add_account)
    return _serve(config, args)


def _check_usage(args: argparse.Namespace) -> None:
    """Raise UsageError if options are empty or do not go together."""
    given = {f"--{name.replace('_', '-')}": value for name, value in vars(args).items() if value not in (None, False)}
    for option, what in _NEVER_EMPTY.items():
        if given.get(option) == "":
            raise UsageError(f"{option} is empty; expected {what}")
    for options in _EXCLUSIVE:
        found = [option for option in options if option in given]
        if len(found) > 1:
            raise UsageError(f"{' and '.join(found)} exclude each other; type one of them")
    if "--json" in given and "--export" not in given:
        raise UsageError("--json goes with --export; type --export ROOM --json")


@contextmanager
def _stdout() -> Iterator[None]:
    """Print inside. Raises StartError if that cannot be, or SystemExit if the reader has seen enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        raise StartError(f"cannot write to stdout: {os.strerror(error.errno or 0).lower()}") from None


def _check(config: Config, args: argparse.Namespace) -> int:
    """Say whether the server could start."""
    check_places(config)
    misspelled, _ = ignored(os.environ)
    for warning in [*misspelled, *check_files(config)]:
        _complain(warning, 0)
    if not args.allow_root:
        check_user(config)
    with _stdout():
        print("The configuration is valid")
    return 0


def _serve(config: Config, args: argparse.Namespace) -> int:
    """Start the server, and return when it has stopped."""
    signals.stand_by()
    passed = passed_sockets()
    config = at_passed(config, passed)
    check_places(config, passed)
    check_files(config)
    if not args.allow_root:
        check_user(config)
    errors = Output(2, "… {count:,} lines of the log are missing here\n")
    logs.start(errors, config.log.level, config.log.format)
    conversation = (
        None if args.quiet else Output(1, "… {count:,} lines of the conversation are missing here\n", GATHER_S)
    )
    is_interactive = any(os.isatty(descriptor) for descriptor in range(3))
    try:
        _log_ignored()
        listener = passed.get(CHAT) or bind(chat_place(config), config.server.listen_backlog)
        with listener:
            app = App(config, {**passed, CHAT: listener}, Transcript(conversation) if conversation else None)
            ends_with_terminal = args.config is None and is_interactive
            signals.handle(app, errors, lambda: at_passed(_load(args), passed), ends_with_terminal=ends_with_terminal)
            gevent.spawn(systemd.supervise, app)
            app.run()
    except HistoryError as error:
        raise StartError(str(error)) from None
    finally:
        for output in (conversation, errors):
            if output is not None:
                output.close(0.5)
    return 0


def _log_ignored() -> None:
    misspelled, foreign = ignored(os.environ)
    for warning in misspelled:
        logger.warning(warning)
    if foreign:
        logger.info("environment variables that are not settings, ignored: %(names)s", {"names": ", ".join(foreign)})


def _stored(config: Config, option: str) -> str:
    """Return where the history is, for an option that reads it. Raises UsageError."""
    path = found_history(config)
    if not path:
        raise UsageError(f"{option} needs a stored history, and this one is in memory only; use --db FILE")
    return path


def _backup(config: Config, copy: str) -> int:
    """Copy the history."""
    from gchat.journal.sqlite.backup import backup  # noqa: PLC0415

    path = _stored(config, "--backup")
    try:
        backup(path, copy)
    except (JournalError, OSError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else str(error)
        raise StartError(f"cannot copy {path} to {copy}: {why}") from None
    with _stdout():
        print(f"copied {path} to {copy}")
    return 0


def _export(config: Config, room: str, *, in_json: bool) -> int:
    """Print a room's history."""
    from gchat.journal.sqlite.backup import exported  # noqa: PLC0415

    path = _stored(config, "--export")
    try:
        with _stdout():
            for record in exported(path, room):
                if in_json:
                    sys.stdout.buffer.write(rich.encode(record, Where(room)))
                else:
                    at = datetime.fromtimestamp(record.time)
                    sys.stdout.buffer.write(f"{at:%Y-%m-%d %H:%M:%S} ".encode() + plain.encode(record))
    except JournalError as error:
        raise StartError(f"cannot export from {path}: {error}") from None
    return 0


def _make_cert(directory: str, *names: str) -> int:
    """Make a certificate, and say how to use it."""
    try:
        from gchat.server.make_cert import make_cert  # noqa: PLC0415
    except ImportError as error:
        raise StartError(
            f"--make-cert needs the package cryptography ({error}); type pip install cryptography"
        ) from None
    try:
        certificate, key, names_in_it = make_cert(directory, names)
    except (OSError, ValueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        raise StartError(f"cannot make a certificate in {directory}: {why}") from None
    with _stdout():
        print(f"made {certificate} and {key}, for {', '.join(names_in_it)}")
        print(f"server: GCHAT_TLS_CERT={shlex.quote(certificate)} GCHAT_TLS_KEY={shlex.quote(key)} gchat-server")
        print(f"client: gchat-client --tls --ca {shlex.quote(certificate)}")
    return 0


def _make_hook(config: Config, room: str, name: str) -> int:
    """Make a hook, and print where programs post to."""
    from gchat.server.kept_hooks import hook_making  # noqa: PLC0415
    from gchat.server.making import make, url_of  # noqa: PLC0415

    made = make(config, hook_making(room, name))
    with _stdout():
        print(url_of(config, f"/hooks/{made.secret}"))
    return 0


def _make_token(config: Config, name: str, scope: str) -> int:
    """Make a token, and print it this once."""
    from gchat.server.making import make  # noqa: PLC0415
    from gchat.server.token_making import token_making  # noqa: PLC0415

    made = make(config, token_making(config, name, scope))
    with _stdout():
        print(made.token)
    return 0


def _add_account(config: Config, name: str) -> int:
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
    with _stdout():
        print(f"made the account {printable(made.name)}: its user types /login {printable(made.name)}")
    return 0


def _load(args: argparse.Namespace) -> Config:
    host, port = address(args.host, args.port, "gchat-server")
    given = {
        ("server", "host"): host,
        ("server", "port"): port,
        **_admin(args),
        ("history", "store"): "memory" if args.memory else "sqlite" if args.db else None,
        ("history", "path"): args.db,
        ("log", "level"): args.log_level,
    }
    try:
        return load(args.config, os.environ, {place: text for place, text in given.items() if text is not None})
    except OSError as error:
        why = error.strerror or str(error)
        raise StartError(f"cannot read {args.config}: {why[:1].lower()}{why[1:]}") from None


def _admin(args: argparse.Namespace) -> dict[tuple[str, str], str | None]:
    if args.no_admin:
        return {("admin", "enabled"): "false"}
    if args.admin is None:
        return {}
    host, port = split_address(args.admin)
    if not host or port == "" or host.isdecimal():
        raise UsageError(f'--admin is "{args.admin}"; expected HOST:PORT, HOST or the path of a Unix socket')
    return {("admin", "enabled"): "true", ("admin", "host"): host, ("admin", "port"): port}
