"""The types of the library, as a program sees them that has it installed."""

from __future__ import annotations

import re
import shutil
import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BOT = """
from gchat.client import (
    ConnectFailed, Delivered, GchatError, LineTooLong, Link, LinkClosed, Lost, Notice, Said, Told, connect
)

def answer(chat: Link, event: Notice) -> None:
    if isinstance(event, Told):
        chat.tell(event.from_, f"you said {event.text}")

def run() -> int:
    try:
        with connect("127.0.0.1", 8888, nick="echo", wait=True, stop_on_signals=True, token_file="token") as chat:
            nick: str = chat.nick
            chat.take_nick(nick + "2")
            for event in chat:
                answer(chat, event)
            later: Notice | None = chat.next(1.0)
    except OSError as error:
        print(error)
    except LineTooLong as error:
        print(error.code)
    except GchatError:
        return 1
    return 0 if later else 2
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has the package as flit installs it, which is the whole folder, and what that needs."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    shutil.copytree(ROOT / "gchat", packages / "gchat", ignore=shutil.ignore_patterns("__pycache__"))
    others = [path for path in [*site.getsitepackages(), *sys.path] if path.endswith("site-packages")]
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in dict.fromkeys(others)))
    return folder / "bin" / "python"


def check(python: Path, directory: Path, program: str) -> str:
    """Return what mypy says of a program, "" if nothing."""
    (directory / "bot.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--python-executable", str(python), "bot.py"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.stdout + done.stderr


def test_the_package_says_that_it_has_types() -> None:
    assert (ROOT / "gchat" / "py.typed").read_bytes() == b""


def test_bots_pass_the_strictest_check(python: Path, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    bots = [text for text in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "gchat.client" in text]
    assert bots
    for bot in [*bots, BOT]:
        assert check(python, tmp_path, bot) == ""


def test_a_name_that_is_not_exported_and_a_wrong_argument_are_found(python: Path, tmp_path: Path) -> None:
    assert "attr-defined" in check(python, tmp_path, "from gchat.client import Siad\n")
    assert "arg-type" in check(python, tmp_path, "from gchat.client import connect\nconnect(nick=3)\n")


def test_every_exported_name_is_there() -> None:
    import gchat.client

    for name in gchat.client.__all__:
        assert getattr(gchat.client, name) is not None
    with pytest.raises(AttributeError, match="Siad"):
        gchat.client.Siad  # type: ignore[attr-defined]  # noqa: B018
