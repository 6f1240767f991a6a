"""What holds for the project as a whole: its linters pass, its README is true, its files say what the code does."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
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


def test_no_function_is_too_long_to_read() -> None:
    functions = (
        (f"{name}.{node.name}", node.end_lineno - node.lineno + 1)
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    )

    assert not {name: lines for name, lines in functions if lines > 60}


def test_the_composition_only_composes() -> None:
    assert len((TOP / "gchat" / "server" / "app.py").read_text().splitlines()) <= 190


# Each is a command of the core and its effect.
_CLASS_NAMES_WITH_TWO_MEANINGS = {"Search"}


def test_a_class_name_means_one_thing() -> None:
    names = Counter(
        node.name
        for path in TOP.glob("gchat/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )

    assert {name for name, count in names.items() if count > 1} == _CLASS_NAMES_WITH_TWO_MEANINGS


# An entry of a map: names at the start of a line and two spaces, or a name and a colon behind another entry.
_ENTRY = re.compile(r"^ *(\w+/?(?:, \w+/?)*)  |; +(\w+/?): ", re.MULTILINE)


@pytest.mark.parametrize(
    "package", [path.parent for path in TOP.glob("gchat/**/__init__.py")], ids=lambda path: str(path.relative_to(TOP))
)
def test_the_map_of_a_package_has_each_of_its_modules_once(package: Path) -> None:
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    mapped = [name.rstrip("/") for line, behind in _ENTRY.findall(text) for name in (line or behind).split(", ")]
    found = {path.stem for path in package.glob("*.py")} | {path.name for path in package.iterdir() if path.is_dir()}

    assert sorted(mapped) == sorted(found - {"__init__", "__pycache__"})


def modules() -> dict[str, Path]:
    """Return the file of each module of gchat, by the module's name."""
    names = {path.relative_to(TOP).with_suffix(""): path for path in TOP.glob("gchat/**/*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in names.items()}


def imported(path: Path, known: Collection[str]) -> Iterator[str]:
    """Return the modules that a file imports, whether at its head, in a function or for the types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (part if part in known else str(node.module) for part in parts)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_no_import_cycle() -> None:
    found = modules()
    graph = {name: set(imported(path, found)) & set(found) for name, path in found.items()}

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


# A sentence with a bare "who" for a subject, as in "Who reads too slowly is told".
_BARE_WHO = re.compile(r"""(?:^|[#"'`(]\s*|[.:;]\s+)Who(?:ever)?\s+(?!is online|are you)[a-z]""", re.MULTILINE)


@pytest.mark.parametrize(
    "sentence", ["Who reads", '"""Whoever reads', "# Who reads", "Yes. Who reads", "it:\nWho reads"]
)
def test_a_bare_who_is_found(sentence: str) -> None:
    assert _BARE_WHO.search(sentence)
    assert not _BARE_WHO.search(sentence.replace("Who", "A user who").replace("whoever", "who"))


def test_the_subject_of_every_sentence_is_a_noun() -> None:
    code = [path for path in (*TOP.glob("gchat/**/*.py"), *TOP.glob("tests/**/*.py")) if path != Path(__file__)]
    paths = [*code, TOP / "README.md", *TOP.glob("docs/*.md"), *TOP.glob("config/*.toml")]
    found = {str(path.relative_to(TOP)): _BARE_WHO.findall(path.read_text()) for path in paths}

    assert not {name: sentences for name, sentences in found.items() if sentences}
