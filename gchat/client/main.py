"""The command `gchat-client`: arguments and exit codes. 0: done; 1: machine, network or server refused; 2: usage.

The rest is imported when the arguments are understood, and before there is a connection: between pipes nothing is
loaded that only a terminal needs, and a signal is handled at any time.
"""

from __future__ import annotations

from gchat.early_signals import expect_signals

expect_signals()  # from the first import on: nothing but the command imports this module

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import TYPE_CHECKING, NoReturn  # noqa: E402

from gchat import __version__  # noqa: E402
from gchat.cli import (  # noqa: E402
    PLAIN_SCHEME,
    TLS_SCHEME,
    Parser,
    UsageError,
    address,
    open_standard_descriptors,
    spelled,
    split_scheme,
)

if TYPE_CHECKING:
    from gchat.client.files.seen_file import SeenFile
    from gchat.client.files.settings_file import ClientSettings
    from gchat.client.files.token_file import TokenFile
    from gchat.client.link.link import Link
    from gchat.client.link.plain_link import PlainLink
    from gchat.client.link.tls import Trust


#: Said at each start with --insecure.
UNCHECKED = (
    "the certificate of the server is not checked (--insecure): it may be another server, and others may read along"
)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="gchat-client",
        description="Talk in a chat room, on a terminal or in a pipe. In a pipe each line of stdin is a message; a "
        "line that is a command, such as /who, is refused, and //who says /who. Nothing is said until --nick and "
        "--room are granted, and nothing is printed but errors, on stderr; --listen, --json and --plain print what "
        "others say. The exit code is 0 if the server has acknowledged every line.",
        epilog="On a terminal, /help shows what you can type. A token in $XDG_STATE_HOME/gchat brings you back under "
        "your nick after a crash. $XDG_CONFIG_HOME/gchat/client.toml (~/.config) may name the host, and for terminals "
        "nick, rooms and more, see the README. NO_COLOR in the environment does the same as --no-color.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "host", nargs="?", metavar="HOST", help="address, name, path of a Unix socket, or gchats://HOST (127.0.0.1)"
    )
    parser.add_argument("port", nargs="?", metavar="PORT", help="TCP port (8888); HOST:PORT works as well")
    parser.add_argument("--nick", metavar="NAME", help="take the nick NAME")
    parser.add_argument("--nick-suffix", action="store_true", help="if NAME is taken, try NAME-2, NAME-3 and so on")
    parser.add_argument("--room", metavar="ROOM", help="start in ROOM")
    parser.add_argument("--forget", action="store_true", help="on a terminal: start as a new user, forget the token")
    parser.add_argument(
        "--tls", action="store_true", help="speak TLS, as gchats:// does; the certificate must be for HOST, and valid"
    )
    parser.add_argument(
        "--ca", metavar="FILE", help="with TLS: trust the certificates in FILE, instead of this machine's"
    )
    parser.add_argument("--insecure", action="store_true", help="with TLS: do not check the certificate")
    parser.add_argument("--plain", action="store_true", help="exchange lines of plain text, with any line-based server")
    parser.add_argument("--wait", action="store_true", help="wait for a server that is not there yet")
    parser.add_argument(
        "--listen", action="store_true", help="in a pipe: print what others say, even after stdin has ended"
    )
    parser.add_argument("--json", action="store_true", help="print events as JSON objects, one per line")
    parser.add_argument("--no-color", action="store_true", help="do not use colours")
    parser.add_argument("--vi", action="store_true", help="use vi's editing keys")
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
        code = _complain(f"internal error: {error!r}; please report it", 1)
    except SystemExit as done:  # --help, --version
        code = int(done.code or 0)
    os._exit(code)  # greenlets have nothing left to say


def _complain(message: str, code: int) -> int:
    from gchat.client.pipe import complain  # noqa: PLC0415

    complain(message)
    return code


def _main(arguments: list[str]) -> int:
    args = _parser().parse_args(arguments)
    from gchat.client.files.settings_file import load_settings  # noqa: PLC0415

    try:
        settings = load_settings()
    except OSError as error:
        return _complain(f"cannot read {error.filename}: {os.strerror(error.errno or 0).lower()}", 1)
    host, port = _address(args, settings)
    if args.plain and (args.nick or args.room or args.json):
        raise UsageError("--nick, --room and --json do not work with --plain; send /nick NAME if the server knows it")
    for option in ("--nick", "--room"):
        if getattr(args, option[2:]) == "":  # a variable of a shell that is not set
            raise UsageError(f"{option} is empty; expected a name")
    if args.nick_suffix and not args.nick:
        raise UsageError("--nick-suffix needs a nick; expected --nick NAME --nick-suffix")
    from gchat.model.errors import GchatError  # noqa: PLC0415

    try:
        tls = _tls(args, settings)
    except UsageError:
        raise
    except GchatError as error:
        return _complain(str(error), 1)
    is_typed = os.isatty(0)
    if is_typed and os.isatty(1) and not args.json and os.environ.get("TERM", "dumb") != "dumb":
        return _on_terminal(args, settings, host, port, tls)
    from gchat.client import pipe  # noqa: PLC0415
    from gchat.client.link.errors import ConnectFailed  # noqa: PLC0415

    if args.insecure:
        pipe.complain(UNCHECKED)
    try:
        chat = _connected(args, host, port, tls, None, more_rooms=(), replay=0, strict=not is_typed)
    except ConnectFailed as error:
        return _complain(pipe.failure_text(error), 1)
    return pipe.run(chat, listen=args.listen, as_json=args.json, is_typed=is_typed)


def _on_terminal(args: argparse.Namespace, settings: ClientSettings, host: str, port: int, tls: Trust | None) -> int:
    from gchat.client import pipe  # noqa: PLC0415
    from gchat.client.link.errors import ConnectFailed  # noqa: PLC0415
    from gchat.client.terminal import terminal  # noqa: PLC0415

    notes = [UNCHECKED] if args.insecure else []
    tokens = None
    rooms: tuple[str, ...] = ()
    if not args.plain:
        args.nick = args.nick or settings.nick
        rooms = (args.room,) if args.room else settings.rooms
        args.room = next(iter(rooms), None)
        tokens, withheld = _token_file(args, host, port, tls)
        notes += withheld
    taken_nick = args.nick if tokens and not tokens.is_ours else ""  # another window is this user
    args.nick_suffix = args.nick_suffix or bool(taken_nick)
    settings.color = settings.color and not args.no_color and not os.environ.get("NO_COLOR")
    settings.vi = settings.vi or args.vi
    try:
        chat = _connected(args, host, port, tls, tokens, more_rooms=rooms[1:], replay=None, strict=False)
    except ConnectFailed as error:
        return _complain(pipe.failure_text(error), 1)
    return terminal.run(chat, settings, _seen_file(tokens), taken_nick=taken_nick or "", notes=notes)


def _address(args: argparse.Namespace, settings: ClientSettings) -> tuple[str, int]:
    """Return the host and the port; and note in `args` that it is TLS if the address says so, or the file does.

    The file speaks of its own server only: with a HOST on the command line, neither its host nor its `tls` counts.
    """
    if args.host is not None:
        return _checked_address(args, args.host, args.port)
    args.tls = args.tls or settings.tls
    if not settings.host:
        return _checked_address(args, None, args.port)
    try:
        return _checked_address(args, settings.host, None)
    except UsageError as error:
        raise UsageError(f"client.toml: {error}") from None


def _checked_address(args: argparse.Namespace, host: str | None, port: str | None) -> tuple[str, int]:
    scheme, host = split_scheme(host) if host else ("", host)
    if scheme == PLAIN_SCHEME and args.tls:
        raise UsageError(f"gchat:// is plain text, and --tls is not; expected {TLS_SCHEME}://{host}, or HOST --tls")
    args.tls = args.tls or scheme == TLS_SCHEME
    host, port = address(host, port, "gchat-client")
    if host == "":
        raise UsageError("HOST is empty; expected an address, a host name, or the path of a Unix socket")
    text = "8888" if port is None else port
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= 65535):
        raise UsageError(f'PORT is "{text}"; expected a number from 1 to 65535')
    if args.tls and host and "/" in host:
        raise UsageError(f"HOST is {host}, a Unix socket, which needs no TLS: nobody can read along")
    return "127.0.0.1" if host is None else host, int(text)


def _tls(args: argparse.Namespace, settings: ClientSettings) -> Trust | None:
    """Return how to speak TLS, None if it is not wanted."""
    if not args.tls:
        for option in ("ca", "insecure"):
            if getattr(args, option):
                raise UsageError(f"--{option} is about TLS; expected --tls, or {TLS_SCHEME}://HOST")
        return None
    if args.ca and args.insecure:
        raise UsageError("--insecure trusts every certificate, and --ca only some; expected one of them")
    from gchat.client.link.tls import Trust  # noqa: PLC0415  # most links need no OpenSSL

    return Trust(ca=args.ca or settings.ca_path, insecure=args.insecure)


def _connected(
    args: argparse.Namespace,
    host: str,
    port: int,
    tls: Trust | None,
    tokens: TokenFile | None,
    *,
    more_rooms: tuple[str, ...],
    replay: int | None,
    strict: bool,
) -> Link | PlainLink:
    if args.plain:
        from gchat.client.link.plain_link import PlainLink  # noqa: PLC0415

        return PlainLink(host, port, wait=args.wait, tls=tls)
    from gchat.client.link.link import connect  # noqa: PLC0415

    return connect(
        host,
        port,
        nick=args.nick or "",
        room=args.room or "",
        more_rooms=more_rooms,
        replay=replay,
        wait=args.wait,
        strict=strict,
        nick_suffix=args.nick_suffix,
        token_file=tokens,
        tls=tls,
    )


def _token_file(
    args: argparse.Namespace, host: str, port: int, tls: Trust | None
) -> tuple[TokenFile | None, list[str]]:
    """Return the file that makes a person who comes back the same user, None if there can be none; and why."""
    from gchat.client.files.safety import Safety  # noqa: PLC0415
    from gchat.client.files.token_file import TokenWithheld, own_token_file  # noqa: PLC0415

    try:
        file = own_token_file(spelled(host, port), args.nick or "", tls.safety if tls else Safety.PLAIN)
        if args.forget:
            file.forget()
        file.load()
    except TokenWithheld as withheld:
        return None, [f"You are a new user here: {withheld}"]
    except OSError:  # a read-only home, or none
        return None, []
    return file, []


def _seen_file(tokens: TokenFile | None) -> SeenFile | None:
    """Return the file beside the token that keeps what the user has seen; None if another window is the same user."""
    if tokens is None or not tokens.is_ours:
        return None
    from gchat.client.files.seen_file import SeenFile  # noqa: PLC0415

    return SeenFile(f"{tokens.path.removesuffix('.token')}.seen")


if __name__ == "__main__":
    main()
