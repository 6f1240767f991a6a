"""The command `gchat-server`: arguments, signals, exit codes. 0: stopped; 1: the machine refused; 2: asked wrongly."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from contextlib import suppress
from datetime import datetime
from typing import NoReturn

import gevent

from gchat import __version__
from gchat.command import Parser, UsageError, open_standard_descriptors
from gchat.journal.base import JournalError
from gchat.journal.copying import backup, exported
from gchat.protocol import plain, rich
from gchat.protocol.errors import GchatError
from gchat.protocol.text import printable
from gchat.server import log
from gchat.server.app import STOP_S, App
from gchat.server.config import Config, ConfigError, dump, load
from gchat.server.keeping import HistoryError
from gchat.server.listener import StartError, spelled
from gchat.server.log import logger
from gchat.server.output import Output
from gchat.server.state import path_of


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gchat-server",
        description="A chat room that people join with nc, telnet or gchat-client.",
        epilog="Every key of the file can be set in the environment too: GCHAT_LIMITS_BURST=100. "
        "SIGTERM and SIGINT stop the server, SIGHUP makes it read its configuration again.",
        allow_abbrev=False,
    )
    parser.add_argument("host", nargs="?", metavar="HOST", help="address, name, or path of a Unix socket (127.0.0.1)")
    parser.add_argument("port", nargs="?", metavar="PORT", help="TCP port (8888)")
    parser.add_argument("--config", metavar="FILE", help="read the configuration from FILE (TOML)")
    parser.add_argument("--admin", metavar="HOST:PORT", help="where the operator looks in over HTTP (127.0.0.1:8889)")
    parser.add_argument("--no-admin", action="store_true", help="nowhere")
    parser.add_argument("--db", metavar="FILE", help="keep history in FILE, made if need be (among the state files)")
    parser.add_argument("--memory", action="store_true", help="keep history in memory only")
    parser.add_argument("--quiet", action="store_true", help="do not show the conversation on stdout")
    parser.add_argument("--log-level", metavar="L", help="debug, info, warning or error")
    parser.add_argument("--check-config", action="store_true", help="say whether the configuration is right, and exit")
    parser.add_argument("--print-config", action="store_true", help="print the configuration in force, and exit")
    parser.add_argument(
        "--export", metavar="ROOM", help="print what was said in ROOM, and exit; a server may be running"
    )
    parser.add_argument(
        "--backup", metavar="FILE", help="copy the history into FILE, and exit; a server may be running"
    )
    parser.add_argument("--json", action="store_true", help="with --export: one JSON object a line")
    parser.add_argument("--version", action="version", version=f"gchat-server {__version__}")
    return parser


def main() -> NoReturn:
    """Run the command; the entry point in pyproject.toml."""
    open_standard_descriptors()
    try:
        code = _main(sys.argv[1:])
        sys.stdout.flush()
    except (UsageError, ConfigError) as error:
        code = _complain(str(error), 2)
    except StartError as error:
        code = _complain(str(error), 1)
    except OSError as error:  # stdout is full, or closed
        code = _complain(f"cannot write to stdout: {os.strerror(error.errno or 0).lower()}", 1)
    except SystemExit as done:  # --help, --version
        code = int(done.code or 0)
    except KeyboardInterrupt:  # before our own handlers are there
        code = 130
    os._exit(code)  # greenlets and daemon threads have nothing left to say


def _complain(message: str, code: int) -> int:
    with suppress(OSError):
        print(f"gchat-server: {printable(message)}", file=sys.stderr, flush=True)
    return code


def _main(arguments: list[str]) -> int:
    args = _parser().parse_args(arguments)
    config = _load(args)
    if args.check_config:
        print("The configuration is right")
        return 0
    if args.print_config:
        print(dump(config), end="")
        return 0
    if args.backup is not None:
        return _backup(config, args.backup)
    if args.export is not None:
        return _export(config, args.export, in_json=args.json)
    errors = Output(2, "… {count:,} lines of the log are missing here\n")
    log.start(errors, config.log.level, config.log.format)
    conversation = None if args.quiet else Output(1, "… {count:,} lines of the conversation are missing here\n")
    try:
        app = App(config, conversation)
    except HistoryError as error:
        raise StartError(str(error)) from None
    _handle_signals(app, args)
    app.run()
    for output in (conversation, errors):
        if output is not None:
            output.close(0.5)
    return 0


def _history_path(config: Config) -> str:
    return config.history.path or path_of("history.db", spelled(config.server.host, config.server.port))


def _backup(config: Config, copy: str) -> int:
    """Copy the history."""
    path = _history_path(config)
    try:
        backup(path, copy)
    except (JournalError, OSError) as error:
        why = os.strerror(error.errno or 0).lower() if isinstance(error, OSError) else str(error)
        raise StartError(f"cannot copy {path} to {copy}: {why}") from None
    print(f"{path} is copied to {copy}")
    return 0


def _export(config: Config, room: str, *, in_json: bool) -> int:
    """Print a room's history."""
    path = _history_path(config)
    try:
        for record in exported(path, room):
            if in_json:
                sys.stdout.buffer.write(rich.encode(record, room))
            else:
                at = datetime.fromtimestamp(record.time)
                sys.stdout.buffer.write(f"{at:%Y-%m-%d %H:%M:%S} ".encode() + plain.encode(record))
        sys.stdout.buffer.flush()
    except JournalError as error:
        raise StartError(f"cannot export from {path}: {error}") from None
    except BrokenPipeError:  # who reads it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _load(args: argparse.Namespace) -> Config:
    given = {
        ("server", "host"): args.host,
        ("server", "port"): args.port,
        **_admin(args),
        ("history", "store"): "memory" if args.memory else "sqlite" if args.db else None,
        ("history", "path"): args.db,
        ("log", "level"): args.log_level,
    }
    if args.memory and args.db:
        raise UsageError("--db and --memory exclude each other; expected one of them")
    if args.host and args.host.isdecimal() and args.port is None:
        raise UsageError(
            f"HOST is {args.host}, which looks like a port; for that, type: gchat-server 127.0.0.1 {args.host}"
        )
    try:
        return load(args.config, os.environ, {place: text for place, text in given.items() if text is not None})
    except OSError as error:
        raise StartError(f"cannot read {args.config}: {os.strerror(error.errno or 0).lower()}") from None


def _admin(args: argparse.Namespace) -> dict[tuple[str, str], str | None]:
    if args.no_admin and args.admin:
        raise UsageError("--admin and --no-admin exclude each other; expected one of them")
    if args.no_admin:
        return {("admin", "enabled"): "false"}
    if args.admin is None or "/" in args.admin:
        return {("admin", "host"): args.admin}
    host, colon, port = args.admin.rpartition(":")
    if not (colon and host and port):
        raise UsageError(f'--admin is "{args.admin}"; expected HOST:PORT, or the path of a Unix socket')
    return {("admin", "host"): host, ("admin", "port"): port}


def _handle_signals(app: App, args: argparse.Namespace) -> None:
    deadline = threading.Timer(STOP_S, os._exit, (0,))
    deadline.daemon = True
    loop = gevent.get_hub().loop

    # Plain handlers and a native thread, not gevent's: they must end the process even if a greenlet never yields.
    def stop(_signal: int, _frame: object) -> None:
        if deadline.is_alive():
            os._exit(130)
        deadline.start()
        loop.run_callback_threadsafe(app.stopping.set)

    def reload() -> None:
        try:
            app.reload(_load(args))
        except GchatError as error:
            logger.error("configuration not read again: %s", error)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    gevent.signal_handler(signal.SIGHUP, reload)


if __name__ == "__main__":
    main()
