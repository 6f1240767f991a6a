"""The command `gchat-client`: arguments and exit codes. 0: said and done; 1: machine, net or server refused; 2: usage.

The rest is imported when the arguments are understood, and before there is a connection: what is not a terminal does
not pay for one, and a signal finds us ready.
"""

from __future__ import annotations

from gchat.early import expect_signals

expect_signals()  # from the first import on: nothing but the command imports this module

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import TYPE_CHECKING, NoReturn  # noqa: E402

from gchat import __version__  # noqa: E402
from gchat.command import Parser, UsageError, address, open_standard_descriptors  # noqa: E402

if TYPE_CHECKING:
    from gchat.client.link import Link
    from gchat.client.plain_link import PlainLink


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gchat-client",
        description="Talk in a chat room: on a terminal as a person, between pipes as a program. There each line of "
        "stdin is a message, and what is said goes to stdout.",
        epilog="On a terminal, /help shows what you can type. NO_COLOR in the environment does what --no-color does.",
        allow_abbrev=False,
    )
    parser.add_argument("host", nargs="?", metavar="HOST", help="address, name, or path of a Unix socket (127.0.0.1)")
    parser.add_argument("port", nargs="?", metavar="PORT", help="TCP port (8888)")
    parser.add_argument("--nick", metavar="NAME", default="", help="be called NAME")
    parser.add_argument("--room", metavar="ROOM", default="", help="begin in ROOM")
    parser.add_argument("--plain", action="store_true", help="speak lines of text, with servers of any kind")
    parser.add_argument("--wait", action="store_true", help="wait for a server that is not there yet")
    parser.add_argument("--listen", action="store_true", help="between pipes: go on when stdin has ended")
    parser.add_argument("--json", action="store_true", help="show events as JSON objects, one a line")
    parser.add_argument("--no-color", action="store_true", help="no colours")
    parser.add_argument("--vi", action="store_true", help="edit with the keys of vi")
    parser.add_argument("--version", action="version", version=f"gchat-client {__version__}")
    return parser


def main() -> NoReturn:
    """Run the command; the entry point in pyproject.toml."""
    try:
        open_standard_descriptors()
        code = _main(sys.argv[1:])
        sys.stdout.flush()
    except UsageError as error:
        code = _complain(str(error), 2)
    except BrokenPipeError:
        code = 0
    except OSError as error:  # stdout is full, or the terminal is gone
        code = _complain(f"cannot write to stdout: {os.strerror(error.errno or 0).lower()}", 1)
    except Exception as error:
        code = _complain(f"a fault of its own: {error!r}; please tell those who make it", 1)
    except SystemExit as done:  # --help, --version
        code = int(done.code or 0)
    os._exit(code)  # greenlets have nothing left to say


def _complain(message: str, code: int) -> int:
    from gchat.client.lines import complain  # noqa: PLC0415

    complain(message)
    return code


def _main(arguments: list[str]) -> int:
    args = _parser().parse_args(arguments)
    host, port = _address(args)
    if args.plain and (args.nick or args.room or args.json):
        raise UsageError("--nick, --room and --json do not go with --plain; say /nick NAME where the server knows it")
    is_person = os.isatty(0) and os.isatty(1) and not args.json
    on_terminal = is_person and os.environ.get("TERM", "dumb") != "dumb"
    if on_terminal:
        from gchat.client import terminal  # noqa: PLC0415
    from gchat.client import lines  # noqa: PLC0415
    from gchat.client.keeper import ConnectFailed  # noqa: PLC0415

    try:
        chat = _connected(args, host, port, replay=None if on_terminal else 0)
    except ConnectFailed as error:
        return _complain(str(error), 1)
    if on_terminal:
        return terminal.run(chat, colour=not args.no_color and not os.environ.get("NO_COLOR"), vi=args.vi)
    return lines.run(chat, listen=args.listen, as_json=args.json, commands=is_person)


def _address(args: argparse.Namespace) -> tuple[str, int]:
    host, port = address(args.host, args.port, "gchat-client")
    if host == "":
        raise UsageError("HOST is empty; expected an address, a host name, or the path of a Unix socket")
    text = "8888" if port is None else port
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(f'PORT is "{text}"; expected a number from 1 to 65535')
    return "127.0.0.1" if host is None else host, int(text)


def _connected(args: argparse.Namespace, host: str, port: int, *, replay: int | None) -> Link | PlainLink:
    if args.plain:
        from gchat.client.plain_link import PlainLink  # noqa: PLC0415

        return PlainLink(host, port, wait=args.wait)
    from gchat.client.link import connect  # noqa: PLC0415

    return connect(host, port, nick=args.nick, room=args.room, replay=replay, wait=args.wait)


if __name__ == "__main__":
    main()
