"""Manual pages, in the language of man(7)."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable

from gchat import __version__
from gchat.server import setting_values
from gchat.server.settings import ROWS, SENTENCES, Config
from tests.share.options import Option, options_of

_EXIT = "0: done; 1: the machine, the network or the server refused; 2: the command line or the configuration is wrong."

_SEE = {
    "gchat-server": r"\fBgchat-client\fR(1), \fBgchat.toml\fR(5), \fBnc\fR(1), \fBtelnet\fR(1)",
    "gchat-client": r"\fBgchat-server\fR(1), \fBnc\fR(1)",
}


def of_command(parser: argparse.ArgumentParser) -> str:
    """Return the page of a command."""
    options = options_of(parser)
    description = parser.description or ""
    return _page(
        parser.prog, 1, description.partition(".")[0],
        ("SYNOPSIS", [".nh", f".B {_roff(parser.prog)}", *map(_synopsis, options), ".hy"]),
        ("DESCRIPTION", [_roff(description)]),
        ("OPTIONS", [line for option in options for line in (".TP", _heading(option), _sentence(option.help))]),
        ("NOTES", [_roff(parser.epilog or "")]),
        ("EXIT STATUS", [_EXIT]),
        ("SEE ALSO", [_SEE.get(parser.prog, "")]),
    )  # fmt: skip


def of_settings() -> str:
    """Return the page of the configuration file."""
    config = Config()
    sections = [
        (
            f"[{section}]",
            [
                _roff(SENTENCES[section]),
                *(
                    line
                    for key, hint in rows.items()
                    for line in (
                        ".TP",
                        rf"\fB{_roff(key)}\fR = {_roff(setting_values.toml(getattr(getattr(config, section), key)))}",
                        _sentence(setting_values.meta(hint, "description")),
                    )
                ),
            ],
        )
        for section, rows in ROWS.items()
    ]
    description = [
        _roff(
            "A file in TOML, named by --config FILE. Every setting stands here with its default. The command line "
            "overrides the environment (GCHAT_LIMITS_BURST=100 is burst in [limits]), the environment the file, and "
            "the file the default. SIGHUP reads it again."
        )
    ]
    see = [r"\fBgchat-server\fR(1)"]
    return _page(
        "gchat.toml", 5, "the configuration of gchat-server",
        ("DESCRIPTION", description), *sections, ("SEE ALSO", see),
    )  # fmt: skip


def _page(name: str, number: int, what: str, *sections: tuple[str, Iterable[str]]) -> str:
    what = what[:1].lower() + what[1:]
    lines = [
        r".\" Made by python -m tests.share",
        f'.TH {name.upper()} {number} "" "gchat {__version__}"',
        ".SH NAME",
        rf"{_roff(name)} \- {_roff(what)}",
    ]
    for title, content in sections:
        lines += [f'.SH "{title}"', *content]
    return "".join(f"{line}\n" for line in lines if line)


def _synopsis(option: Option) -> str:
    if option.names == ("-h", "--help"):
        return ""
    return f"[{_usage(option)}]"


def _heading(option: Option) -> str:
    short = "".join(rf"\fB{_roff(name)}\fR, " for name in option.names[:-1])
    return f"{short}{_usage(option)}"


def _usage(option: Option) -> str:
    name, values = (option.names or ("",))[-1], option.usage.partition(" ")[2] if option.names else option.usage
    return " ".join([*([rf"\fB{_roff(name)}\fR"] if name else []), *([rf"\fI{_roff(values)}\fR"] if values else [])])


def _sentence(text: str) -> str:
    return f"{_roff(text[:1].upper() + text[1:])}."


def _roff(text: str) -> str:
    """Return text in which nothing is a request or an escape, and every hyphen can be copied into a shell."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace("~", r"\(ti").replace("^", r"\(ha")
    return re.sub(r"^([.'])", r"\\&\1", escaped)
