"""What people install: the wheel and the sdist, each module by itself, and the commands however they are started.

The inputs are those of public bug reports in other projects, whose addresses stand beside them.
"""

from __future__ import annotations

import os
import shutil
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
from tests.e2e.tools import need, with_index

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
    assert files_below(TOP / "data") <= {name.replace(f"{information[:-10]}.data/data", "data") for name in names}
    assert {"gchat/py.typed", "gchat/admin/page/page.html", f"{information}/licenses/LICENSE"} <= names
    for entry in commands["console_scripts"].values():
        module, _, function = entry.partition(":")
        assert callable(getattr(import_module(module), function))

    with tarfile.open(tmp_path / build.build_sdist(str(tmp_path))) as sdist:
        packed = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml", "requirements.lock"}
    assert wanted.union(*(files_below(TOP / name) for name in ("gchat", "config", "data", "docs"))) <= packed
    assert {"tests/conftest.py", "tests/e2e/harness.py", "tests/README.md"} <= packed


# In https://github.com/meeb/django-distill/issues/19 and fifty like it, what the build needs was not in the sdist.
def test_a_wheel_made_from_the_sdist_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = pytest.importorskip("flit_core.buildapi", reason="flit_core is not installed")
    monkeypatch.chdir(TOP)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    wheel = build.build_wheel(str(tmp_path))
    with tarfile.open(tmp_path / build.build_sdist(str(tmp_path))) as sdist:
        sdist.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("gchat_server-*/")
    monkeypatch.chdir(unpacked)
    (tmp_path / "again").mkdir()
    assert build.build_wheel(str(tmp_path / "again")) == wheel
    with zipfile.ZipFile(tmp_path / wheel) as one, zipfile.ZipFile(tmp_path / "again" / wheel) as other:
        assert {name: one.read(name) for name in one.namelist()} == {
            name: other.read(name) for name in other.namelist()
        }


@pytest.mark.timeout(600)  # packages are fetched
@pytest.mark.parametrize(
    ("command", "prefix"),
    [
        (["uv", "tool", "install", "--python", sys.executable], "tools/gchat-server"),
        (["pipx", "install", "--python", sys.executable], "pipx/venvs/gchat-server"),
    ],
    ids=["uv", "pipx"],
)
def test_people_install_it_with_one_command(tmp_path: Path, command: list[str], prefix: str) -> None:
    tool = shutil.which(command[0], path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or need(command[0])
    environment = _bare_environment() | {
        "HOME": str(tmp_path),
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
    }
    done = subprocess.run(
        [tool, *command[1:], str(TOP)], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    if done.returncode and any(sign in done.stderr for sign in ("dns error", "name resolution", "unreachable")):
        pytest.skip(f"no package can be fetched: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    for program in ("gchat-server", "gchat-client"):
        said = subprocess.run([tmp_path / "bin" / program, "--version"], capture_output=True, text=True, check=True)
        assert said.stdout == f"{program} {gchat.__version__}\n"
    share = tmp_path / prefix / "share"
    for path in files_below(TOP / "data" / "share"):
        assert (share / path.removeprefix("data/share/")).read_bytes() == (TOP / path).read_bytes()


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
    return {name: value for name, value in with_index().items() if not name.startswith("GCHAT_")}
