"""What holds for the project as a whole: its linters pass, its README is true, its files say what the code does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gchat.dialects.slash import SLASHES
from gchat.server.config import dump, load
from gchat.server.settings import Config

TOP = Path(__file__).parent.parent
README = (TOP / "README.md").read_text()


def run(*command: str) -> None:
    program = shutil.which(command[0], path=str(Path(sys.executable).parent)) or command[0]
    done = subprocess.run([program, *command[1:]], cwd=TOP, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",)],
    ids=" ".join,
)
def test_the_linter_is_content(command: tuple[str, ...]) -> None:
    run(*command)


def test_the_configuration_file_is_the_defaults() -> None:
    path = TOP / "config" / "gchat.toml"

    assert path.read_text() == dump(Config())
    assert load(str(path), {}, {}) == Config()


def test_the_readme_lists_every_command() -> None:
    listed = set(re.findall(r"`/(\w+)", README))

    assert set(SLASHES) <= listed


def test_the_readme_has_one_command_to_run_and_one_to_test() -> None:
    commands = re.findall(r"^    (python3 -m venv .*)$", README, re.MULTILINE)

    assert [command.split("/")[-1] for command in commands] == ["gchat-server", "python -m pytest"]


def test_no_module_is_too_long_to_read() -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in TOP.glob("gchat/**/*.py")}

    assert not {str(path): length for path, length in lengths.items() if length > 400}


# A sentence with a bare "who" for a subject, as in "Who reads too slowly is told".
_BARE_WHO = re.compile(r"""(?:^|[#"'`(]\s*|[.:;,]\s+)Who(?:ever)?\s+(?!is online|are you)[a-z]""", re.MULTILINE)


@pytest.mark.parametrize(
    "sentence", ["Who reads", '"""Whoever reads', "# Who reads", "Yes. Who reads", "it:\nWho reads"]
)
def test_a_bare_who_is_found(sentence: str) -> None:
    assert _BARE_WHO.search(sentence)
    assert not _BARE_WHO.search(sentence.replace("Who", "A user who").replace("whoever", "who"))


def test_the_subject_of_every_sentence_is_a_noun() -> None:
    paths = [*TOP.glob("gchat/**/*.py"), TOP / "README.md", *TOP.glob("config/*.toml")]
    found = {str(path.relative_to(TOP)): _BARE_WHO.findall(path.read_text()) for path in paths}

    assert not {name: sentences for name, sentences in found.items() if sentences}
