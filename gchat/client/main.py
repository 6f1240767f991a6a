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
from gchat.cli import TLS_SCHEME, Parser, UsageError, open_standard_descriptors  # noqa: E402

if TYPE_CHECKING:
    from gchat.client.files.settings_file import ClientSettings
    from gchat.client.link.tls import Trust


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
    parser.add_argument(
        "--password-file", metavar="FILE", help="the password of the server is in FILE, which has mode 0600"
    )
    parser.add_argument(
        "--secret-file", metavar="FILE", help="log in to the account of --nick NAME; the secret is in FILE"
    )
    parser.add_argument(
        "--keep-secret", action="store_true", help="on a terminal: keep the secret of /login, do not ask"
    )
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
    from gchat.client.destination import destination  # noqa: PLC0415
    from gchat.client.files.settings_file import load_settings  # noqa: PLC0415

    try:
        settings = load_settings()
    except OSError as error:
        return _complain(f"cannot read {error.filename}: {os.strerror(error.errno or 0).lower()}", 1)
    where = destination(args.host, args.port, settings, tls=args.tls)
    _check(args)
    is_typed = os.isatty(0)
    is_on_terminal = is_typed and os.isatty(1) and not args.json and os.environ.get("TERM", "dumb") != "dumb"
    from gchat.model.errors import GchatError  # noqa: PLC0415

    try:
        tls = _trust(args, settings, is_tls=where.is_tls)
        from gchat.client.start import Start  # noqa: PLC0415

        start = Start(args, where, tls, asks=is_typed)
        return start.on_terminal(settings) if is_on_terminal else start.in_pipe(is_typed=is_typed)
    except UsageError:
        raise
    except GchatError as error:
        return _complain(str(error), 1)


def _check(args: argparse.Namespace) -> None:
    """Raise UsageError for options that do not go together."""
    if args.plain and (args.nick or args.room or args.json):
        raise UsageError("--nick, --room and --json do not work with --plain; send /nick NAME if the server knows it")
    if args.plain and (args.password_file or args.secret_file):
        raise UsageError("--password-file and --secret-file do not work with --plain; type what the server asks for")
    for option in ("--nick", "--room"):
        if getattr(args, option[2:]) == "":  # a variable of a shell that is not set
            raise UsageError(f"{option} is empty; expected a name")
    for option in ("nick_suffix", "secret_file"):
        if getattr(args, option) and not args.nick:
            spelled_as = f"--{option.replace('_', '-')}"
            raise UsageError(f"{spelled_as} needs a nick; expected --nick NAME {spelled_as}")


def _trust(args: argparse.Namespace, settings: ClientSettings, *, is_tls: bool) -> Trust | None:
    """Return whom to trust, None if TLS is not wanted. Raises UsageError, or TlsUnusable."""
    if not is_tls:
        for option in ("ca", "insecure"):
            if getattr(args, option):
                raise UsageError(f"--{option} is about TLS; expected --tls, or {TLS_SCHEME}://HOST")
        return None
    if args.ca and args.insecure:
        raise UsageError("--insecure trusts every certificate, and --ca only some; expected one of them")
    from gchat.client.link.tls import Trust  # noqa: PLC0415  # most links need no OpenSSL

    return Trust(ca=args.ca or settings.ca_path, insecure=args.insecure)


if __name__ == "__main__":
    main()
