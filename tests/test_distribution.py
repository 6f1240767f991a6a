"""What people install: the wheel and the sdist, each module by itself, and the commands however they are started.

The inputs are those of public bug reports in other projects, whose addresses stand beside them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path

import pytest

import gchat
from gchat.server.config import dump
from gchat.server.settings import Config
from tests.e2e.harness import Server

TOP = Path(__file__).parent.parent

#: Imports each module in a process of its own, forked before gchat was imported; all that they need was imported.
IMPORT_EACH_ALONE = """
import os, sys, traceback
import falcon, gevent.pool, gevent.pywsgi, gevent.server, gevent.threadpool, msgspec, prometheus_client, prompt_toolkit
for module in sys.argv[1:]:
    child = os.fork()
    if not child:
        try:
            __import__(module)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(module)
"""


def files_below(directory: Path) -> set[str]:
    return {
        str(path.relative_to(TOP))
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


# In https://github.com/scrapy/scrapy/pull/6135 py.typed was in neither archive, in
# https://github.com/msu-denver/bili-core/pull/176 the wheel had no file but .py, and in
# https://github.com/pypa/flit/issues/379 the sdist had no license.
def test_the_wheel_and_the_sdist_have_all_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = pytest.importorskip("flit_core.buildapi", reason="flit_core is not installed")
    monkeypatch.chdir(TOP)

    with zipfile.ZipFile(tmp_path / build.build_wheel(str(tmp_path))) as wheel:
        names = set(wheel.namelist())
        information = f"gchat_server-{gchat.__version__}.dist-info"
        commands = ConfigParser()
        commands.read_string(wheel.read(f"{information}/entry_points.txt").decode())
    assert files_below(TOP / "gchat") <= names
    assert {"gchat/py.typed", "gchat/admin/page/page.html", f"{information}/licenses/LICENSE"} <= names
    for entry in commands["console_scripts"].values():
        module, _, function = entry.partition(":")
        assert callable(getattr(import_module(module), function))

    with tarfile.open(tmp_path / build.build_sdist(str(tmp_path))) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"}
    assert wanted.union(*(files_below(TOP / name) for name in ("gchat", "config", "docs"))) <= packed
    assert {"tests/conftest.py", "tests/e2e/harness.py", "tests/README.md"} <= packed


def test_everything_that_a_packager_lists_is_there() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    listed = [*project["tool"]["flit"]["sdist"]["include"], *project["project"]["license-files"]]
    assert [name for name in listed if not (TOP / name).exists()] == []


# In https://github.com/Mibayy/token-savior/issues/78 and https://github.com/cdeust/Cortex/issues/237 modules could be
# imported behind another only.
def test_each_module_can_be_the_first_that_is_imported() -> None:
    modules = [
        ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(TOP.glob("gchat/**/*.py"))
        if path.stem != "__main__"
    ]
    command = [sys.executable, "-W", "error", "-c", IMPORT_EACH_ALONE, *modules]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


# As in https://github.com/mgedmin/restview/issues/52: "is a package and cannot be directly executed".
def test_the_server_can_be_started_by_the_name_of_its_package() -> None:
    command = [sys.executable, "-m", "gchat.server", "--version"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=True)

    assert done.stdout == f"gchat-server {gchat.__version__}\n"


# With -OO there are no docstrings: https://github.com/scott-griffiths/bitstring/issues/321 and
# https://github.com/halcy/Mastodon.py/issues/347 did not even start. And there are no asserts.
def test_without_docstrings_and_asserts_the_configuration_has_its_comments_and_the_server_serves() -> None:
    without = {"PYTHONOPTIMIZE": "2"}
    command = [sys.executable, "-m", "gchat.server", "--print-config"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=TOP, env=_bare_environment() | without
    )
    assert done.stdout == dump(Config())

    with Server(environment=without) as server, server.join("alice") as alice, server.join("bob") as bob:
        alice.says("hello")
        bob.sees("[alice] hello")
        bob.says("/nick alice")
        bob.sees("> The nick alice is taken; choose another")


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GCHAT_")}
