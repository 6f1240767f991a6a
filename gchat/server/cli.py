"""The command `gchat-server`: arguments and exit codes. 0: done; 1: the machine refused; 2: wrong usage."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import suppress

import gevent

from gchat import __version__
from gchat.cli import Parser, UsageError, address, open_standard_descriptors, split_address, waiting_stdout
from gchat.model.text import printable
from gchat.server import logs, signals, systemd
from gchat.server.activation import CHAT, Sockets, at_passed, passed_sockets
from gchat.server.app import App
from gchat.server.cluster_settings import hide_password
from gchat.server.config import ConfigError, dump, ignored, load
from gchat.server.errands import add_account, backup, export, import_history, make_cert, make_hook, make_token, printing
from gchat.server.history import HistoryError
from gchat.server.listener import StartError, bind
from gchat.server.logs import logger
from gchat.server.machine_errors import described
from gchat.server.settings import Config
from gchat.server.start_checks import chat_place, check_files, check_places, check_user
from gchat.server.stdout import GATHER_S, Output
from gchat.server.transcript import Transcript

#: The most nodes of --workers.
MAX_WORKERS = 64

_NEVER_EMPTY = {
    "--config": "a file",
    "--db": "a file",
    "--backup": "a file",
    "--import": "a file",
    "--export": "the name of a room",
    "--add-account": "a nick",
    "--cluster": "the address of an engine",
}

_EXCLUSIVE = (
    ("--db", "--memory", "--cluster"),
    *(("--workers", store) for store in ("--db", "--memory")),
    ("--admin", "--no-admin"),
    (
        "--check-config",
        "--print-config",
        "--export",
        "--backup",
        "--import",
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
    option(
        "--cluster", metavar="URL", help="share the rooms with other nodes through the engine at URL (Valkey, Redis 7)"
    )
    option("--workers", metavar="N", help="run N nodes on one port, with an engine of their own or that of --cluster")
    option("--allow-root", action="store_true", help="listen as root where other machines can connect (in a container)")
    option("--quiet", action="store_true", help="do not show the conversation on stdout")
    option("--log-level", metavar="L", help="debug, info, warning or error")
    option("--check-config", action="store_true", help="check the configuration and what it needs, and exit")
    option("--print-config", action="store_true", help="print the configuration in force, and exit")
    option("--export", metavar="ROOM", help="print the history of ROOM, and exit; the server may be running")
    option("--backup", metavar="FILE", help="copy the history into FILE, and exit; the server may be running")
    option(
        "--import", metavar="FILE", help="move the history in FILE to the engine of --cluster or --workers, and exit"
    )
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
    return _exit_code(lambda: _run(arguments))


def _exit_code(work: Callable[[], int]) -> int:
    """Do something; return its exit code, or say what went wrong in one line, and return the code of that."""
    try:
        return work()
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
    with printing():
        args = _parser().parse_args(arguments)
    _check_usage(args)
    if args.cluster:
        hide_password(args.cluster)
    if args.make_cert is not None:
        return make_cert(*args.make_cert)
    config = _load(args)
    if args.check_config:
        return _check(config, args)
    if args.print_config:
        with printing():
            print(dump(config), end="")
        return 0
    if args.backup is not None:
        return backup(config, args.backup)
    if args.export is not None:
        return export(config, args.export, in_json=args.json)
    if (imported := vars(args)["import"]) is not None:
        return import_history(config, imported, int(args.workers or 0))
    if args.make_hook is not None:
        return make_hook(config, *args.make_hook)
    if args.make_token is not None:
        return make_token(config, *args.make_token)
    if args.add_account is not None:
        return add_account(config, args.add_account)
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
    if args.workers is not None and not (args.workers.isdecimal() and 1 <= int(args.workers) <= MAX_WORKERS):
        raise UsageError(f'--workers is "{args.workers}"; expected a number from 1 to {MAX_WORKERS}')
    if "--json" in given and "--export" not in given:
        raise UsageError("--json goes with --export; type --export ROOM --json")


def _check(config: Config, args: argparse.Namespace) -> int:
    """Say whether the server could start."""
    check_places(config)
    if args.workers and not config.cluster.url:
        from gchat.server.workers.own_engine import program  # noqa: PLC0415  # most servers are one process

        program()
        config.cluster.url = "unix:///to-be-made"
    misspelled, _ = ignored(os.environ)
    for warning in [*misspelled, *check_files(config)]:
        _complain(warning, 0)
    if not args.allow_root:
        check_user(config)
    with printing():
        print("The configuration is valid")
    return 0


def _serve(config: Config, args: argparse.Namespace) -> int:
    """Start the server, and return when it has stopped."""
    signals.stand_by()
    passed = passed_sockets()
    config = at_passed(config, passed)
    check_places(config, passed)
    if not args.workers:  # their history is where they listen, which is not known yet
        check_files(config)
    if not args.allow_root:
        check_user(config)
    is_interactive = any(os.isatty(descriptor) for descriptor in range(3))
    ends_with_terminal = args.config is None and is_interactive

    def load_again() -> Config:
        return at_passed(_load(args), passed)

    def serve(load: Callable[[], Config], config: Config, passed: Sockets, *, is_quiet: bool) -> int:
        node = config.cluster.name
        return _exit_code(
            lambda: _listen(load, config, passed, node, is_quiet=is_quiet, ends_with_terminal=ends_with_terminal)
        )

    if args.workers:
        from gchat.server.workers.command import run_workers  # noqa: PLC0415  # most servers are one process

        return run_workers(
            int(args.workers),
            config,
            load_again,
            passed,
            serve,
            is_quiet=args.quiet,
            ends_with_terminal=ends_with_terminal,
        )
    return _listen(load_again, config, passed, is_quiet=args.quiet, ends_with_terminal=ends_with_terminal)


def _listen(
    load: Callable[[], Config],
    config: Config,
    passed: Sockets,
    node: str = "",
    *,
    is_quiet: bool,
    ends_with_terminal: bool,
) -> int:
    """Be the server, until a signal stops it. `load` reads the configuration again; `node` stands in the log."""
    signals.stand_by()
    gevent.config.format_context = "builtins.repr"  # gevent's would load inspect and ast: 1 MiB
    errors = Output(2, f"… {{count:,}} lines of the log{node and f' of {node}'} are missing here\n")
    logs.start(errors, config.log.level, config.log.format, node)
    conversation = None if is_quiet else Output(1, "… {count:,} lines of the conversation are missing here\n", GATHER_S)
    try:
        _log_ignored()
        listener = passed.get(CHAT) or bind(
            chat_place(config), config.server.listen_backlog, reuse_port=config.server.reuse_port
        )
        with listener:
            app = App(config, {**passed, CHAT: listener}, Transcript(conversation) if conversation else None)
            signals.handle(app, errors, load, ends_with_terminal=ends_with_terminal)
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


def _load(args: argparse.Namespace) -> Config:
    host, port = address(args.host, args.port, "gchat-server")
    given = {
        ("server", "host"): host,
        ("server", "port"): port,
        **_admin(args),
        ("history", "store"): "memory" if args.memory else "sqlite" if args.db else None,
        ("history", "path"): args.db,
        ("cluster", "url"): "" if args.memory or args.db else args.cluster,
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
