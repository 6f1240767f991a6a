"""What is installed beside the commands: manual pages that can be read, and completions as each shell makes them.

The inputs are those of public bug reports in other projects, whose addresses stand beside them.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from gchat.cli import Parser
from gchat.server.settings import ROWS
from tests.e2e.harness import wait_until
from tests.e2e.tools import Screen, need
from tests.share import completions, manual
from tests.share.__main__ import SHARE, files, links, parsers

#: How each shell is started with nothing of the user's, and how it reads a completion.
SHELLS = {
    "bash": (["bash", "--noprofile", "--norc"], "source '{}'"),
    "zsh": (["zsh", "-f"], "autoload -U compinit && compinit -D && source '{}'"),
    "fish": (["fish", "--no-config"], "source '{}'"),
}

every_shell = pytest.mark.parametrize("shell", SHELLS)


def of(shell: str, program: str = "gchat-server") -> Path:
    (path,) = [path for path in SHARE.rglob("*") if program in path.name and shell in str(path)]
    return path


def completes(tmp_path: Path, shell: str, script: Path, typed: str, shown: str) -> None:
    """Have a new shell read a completion, type, press Tab, and wait for what it makes of that."""
    start, read = SHELLS[shell]
    need(shell)
    environment = {"HOME": str(tmp_path), "PS1": "$ ", "PROMPT": "$ ", "XDG_CONFIG_HOME": str(tmp_path)}
    with Screen(tmp_path, *start, environment=environment) as screen:
        screen.says(f"{read.format(script)}; echo re''ady")
        wait_until(lambda: "ready" in screen.lines, f"the completion is read; the screen: {screen.lines}")
        screen.types(typed)
        screen.presses("Tab")
        wait_until(lambda: shown in "\n".join(screen.lines), f"{typed} becomes {shown}; the screen: {screen.lines}")


# --- In the repository -----------------------------------------------------------------------------------------------


def test_what_is_installed_is_what_the_commands_say() -> None:
    made = {path: path.read_text() for path in SHARE.rglob("*") if path.is_file() and not path.is_symlink()}
    assert made == files(), "run python -m tests.share"
    assert {path: os.readlink(path) for path in SHARE.rglob("*") if path.is_symlink()} == links()


def test_every_option_is_in_the_manual_and_in_each_completion() -> None:
    for parser in parsers():
        names = {name for action in parser._actions for name in action.option_strings}
        page = manual.of_command(parser).replace("\\", "")
        for name in names:
            assert f"fB{name}fR" in page
            assert name in completions.bash(parser)
            assert name in completions.zsh(parser)
            assert f"-l {name[2:]} " in completions.fish(parser) or f"-s {name[1:]} " in completions.fish(parser)


def test_every_setting_is_in_the_manual() -> None:
    page = manual.of_settings().replace("\\-", "-")
    assert [key for rows in ROWS.values() for key in rows if f"\\fB{key}\\fR = " not in page] == []


# --- Manual pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["man1/gchat-server.1", "man1/gchat-client.1", "man5/gchat.toml.5"])
def test_the_page_is_read_without_a_complaint(page: str) -> None:
    path = str(SHARE / "man" / page)
    command = [need("mandoc"), "-T", "lint", "-W", "warning", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stdout.splitlines() if "missing date" not in line]  # made again it is the same
    assert complaints == []


# In https://github.com/mate-desktop/eom/issues/47 and https://github.com/lincolnloop/python-qrcode/issues/47 there were
# hyphens, which no shell knows.
def test_what_is_copied_from_a_page_can_be_typed() -> None:
    path = str(SHARE / "man/man1/gchat-server.1")
    done = subprocess.run(
        [need("mandoc"), "-T", "utf8", "-O", "width=200", path], capture_output=True, text=True, check=True
    )
    text = re.sub(".\b", "", done.stdout)
    assert "--export ROOM" in text
    assert "GCHAT_LIMITS_BURST=100" in text


def test_a_help_text_cannot_be_a_request_to_the_formatter() -> None:
    parser = Parser(prog="it", description="One.", epilog=".so /etc/passwd")
    parser.add_argument("--back", metavar="C:\\DIR", help="'tis 100%% of [it]: \\n, `date` and $HOME")
    page = manual.of_command(parser)
    assert "\n\\&.so /etc/passwd\n" in page
    assert "\n\\&'tis 100% of [it]: \\en, `date` and $HOME.\n" in page
    assert "C:\\eDIR" in page


# --- Completions -----------------------------------------------------------------------------------------------------


@every_shell
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("gchat-server --allow", "--allow-root"),
        ("gchat-server --log-level war", "--log-level warning"),
        ("gchat-server --log-level=war", "--log-level=warning"),
        ("gchat-server --quiet --config a", "a\\ file.toml"),
        ("gchat-server --config=a", "--config=a\\ file.toml"),
        ("gchat-client --nick-s", "--nick-suffix"),
    ],
)
def test_options_their_values_and_files_are_completed(tmp_path: Path, shell: str, typed: str, shown: str) -> None:
    (tmp_path / "a file.toml").touch()
    completes(tmp_path, shell, of(shell, typed.partition(" ")[0]), typed, shown)


# Brackets: https://github.com/clap-rs/clap/issues/771, https://github.com/apple/swift-argument-parser/issues/218.
# A colon in a value's name: swift-argument-parser/issues/761. Backticks: https://github.com/eza-community/eza/issues/571.
@every_shell
def test_a_help_text_with_quotes_brackets_and_colons_breaks_no_shell(tmp_path: Path, shell: str) -> None:
    parser = Parser(prog="it")
    parser.add_argument(
        "--back", metavar="A:B", help='it\'s "100%%" of [it]: \\n, `touch pwned`, $(touch pwned) or $HOME'
    )
    parser.add_argument("--pair", nargs=2, metavar=("NAME", "SCOPE"), help="two values")
    parser.add_argument("--make", nargs="+", metavar=("DIR", "NAME"), help="one and more")
    script = tmp_path / "script"
    script.write_text(getattr(completions, shell)(parser))
    completes(tmp_path, shell, script, "it --ba", "--back")
    assert not (tmp_path / "pwned").exists()


@every_shell
def test_the_shell_finds_no_fault_in_the_completion(shell: str) -> None:
    for program in ("gchat-server", "gchat-client"):
        subprocess.run([need(shell), "-n", str(of(shell, program))], check=True)


# The first Tab of https://github.com/vshulcz/deja-vu/issues/1656.
@pytest.mark.parametrize(("words", "found"), [("gchat-server ''", ""), ("gchat-server --pr", "--print-config")])
def test_bash_completes_also_where_unset_variables_are_errors(words: str, found: str) -> None:
    script = (
        f"set -eu; source '{of('bash')}'; COMP_WORDS=({words}); COMP_CWORD=1; _gchat_server; echo ${{COMPREPLY[@]-}}"
    )
    done = subprocess.run([need("bash"), "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{found}\n", "")
