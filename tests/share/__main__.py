"""Writes data/share: manual pages and completions, as the commands' own parsers have them, and links to config/.

    python -m tests.share

What is in data/ is installed beside the commands: data/share/man/man1/gchat-server.1 becomes PREFIX/share/man/... .
"""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path

from gchat.client.main import _parser as client_parser
from gchat.server.cli import _parser as server_parser
from tests.share import completions, manual

TOP = Path(__file__).parents[2]
SHARE = TOP / "data" / "share"

#: The directory in which each shell looks, and how the file of a command is called there.
_SHELLS = {
    completions.bash: "bash-completion/completions/{}",
    completions.zsh: "zsh/site-functions/_{}",
    completions.fish: "fish/vendor_completions.d/{}.fish",
}


def parsers() -> tuple[ArgumentParser, ...]:
    """Return the parsers of both commands."""
    return server_parser(), client_parser()


def files() -> dict[Path, str]:
    """Return what has to stand in each file that is made from a parser or from the settings."""
    found = {SHARE / "man/man5/gchat.toml.5": manual.of_settings()}
    for parser in parsers():
        found[SHARE / f"man/man1/{parser.prog}.1"] = manual.of_command(parser)
        for shell, name in _SHELLS.items():
            found[SHARE / name.format(parser.prog)] = shell(parser)
    return found


def links() -> dict[Path, str]:
    """Return where each link to a file of config/ has to lead."""
    config = TOP / "config"
    places = {SHARE / "gchat" / path.relative_to(config): path for path in config.rglob("*") if path.is_file()}
    return {link: os.path.relpath(path, link.parent) for link, path in places.items()}


def write() -> None:
    """Write all of it, and remove what is left of before."""
    for path in [path for path in SHARE.rglob("*") if path.is_symlink() or path.is_file()]:
        path.unlink()
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for link, target in links().items():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


if __name__ == "__main__":
    write()
