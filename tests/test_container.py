"""The Dockerfile: its steps are carried out here below another root, without Docker, and what it makes is run.

The inputs are those of public bug reports in other projects, whose addresses stand beside them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.e2e.harness import DEADLINE_S, Server, free_port, wait_until
from tests.e2e.tools import need, with_index

TOP = Path(__file__).parent.parent
STATE = "/var/lib/gchat"

pytestmark = pytest.mark.timeout(600)  # packages are fetched


def steps() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile and what follows each."""
    lines = [line for line in (TOP / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in joined.splitlines()]


def last(instruction: str) -> str:
    return [rest for found, rest in steps() if found == instruction][-1]


def in_context() -> set[str]:
    """Return the names at the top of the repository that .dockerignore lets through."""
    kept: set[str] = set()
    for pattern in (TOP / ".dockerignore").read_text().split("\n"):
        if pattern == "*":
            kept = set()
        elif pattern.startswith("!"):
            kept |= {path.name for path in TOP.iterdir() if fnmatch(path.name, pattern[1:])}
    return kept


# --- What it says ----------------------------------------------------------------------------------------------------


def test_it_copies_what_the_context_has_and_the_context_has_nothing_else() -> None:
    copied = {
        word for found, rest in steps() if found == "COPY" and "--from" not in rest for word in shlex.split(rest)[:-1]
    }
    assert copied == in_context()
    assert {".git", ".venv", "tests"}.isdisjoint(in_context())


# In https://github.com/netclaw-dev/skill-server/issues/140 a new volume was root's, and the server could not write.
def test_the_server_is_not_root_and_the_volume_is_its_own() -> None:
    user, group = last("USER").split(":")
    assert int(user) >= 1000
    assert last("VOLUME") == STATE
    assert ("RUN", f"install -d -o {user} -g {group} -m 0700 {STATE}") in steps()
    order = [(found, rest) for found, rest in steps() if found in ("VOLUME", "USER") or f" {STATE}" in rest]
    assert [found for found, _ in order] == ["RUN", "USER", "VOLUME"]


# In https://github.com/mrmn2/PdfDing/issues/165 a shell was between Docker and the server, and SIGTERM went no further.
def test_signals_reach_the_server_and_not_a_shell() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["gchat-server"]
    assert last("STOPSIGNAL") == "SIGTERM"
    assert "[" in last("HEALTHCHECK")


def test_nothing_is_installed_without_a_hash() -> None:
    installs = [
        command for found, rest in steps() if found == "RUN" for command in re.findall("pip install [^&]*", rest)
    ]
    assert installs
    assert all("--require-hashes" in command or "--no-index" in command for command in installs)


# --- What it makes ---------------------------------------------------------------------------------------------------


def moved(text: str, root: Path) -> str:
    """Return a command with its absolute paths below another root, and with this Python."""
    text = re.sub(r"(?<![\w.$/])/(?=opt/|build\b|var/)", f"{root}/", text)
    return re.sub(r"(?<![\w/])python(?= )", sys.executable, text)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Yield a directory in which the steps of the Dockerfile were carried out."""
    root = Path(tempfile.mkdtemp(prefix="gchat-image-"))
    root.chmod(0o755)
    (root / "var/lib").mkdir(parents=True)
    try:
        for found, rest in steps():
            if found == "COPY" and "--from" not in rest:
                *sources, target = shlex.split(rest)
                copy(sources, root / target.lstrip("/"))
            elif found == "RUN" and (os.getuid() == 0 or "install -d" not in rest):
                command = ["sh", "-euc", moved(rest, root)]
                done = subprocess.run(command, capture_output=True, text=True, check=False, env=with_index())
                if any(sign in done.stderr for sign in ("name resolution", "unreachable", "not known")):
                    pytest.skip("no package can be fetched")
                assert done.returncode == 0, done.stdout + done.stderr
        (root / STATE[1:]).mkdir(exist_ok=True)
        yield root
    finally:
        shutil.rmtree(root)


def copy(sources: list[str], target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for source in sources:
        if (TOP / source).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(TOP / source, target, symlinks=True, ignore=ignore, dirs_exist_ok=True)
        else:
            shutil.copy(TOP / source, target)


def environment(image: Path) -> dict[str, str]:
    set_ = dict(word.split("=", 1) for word in shlex.split(last("ENV")))
    kept = {"PATH": f"{image}/opt/gchat/bin:{os.environ['PATH']}", "LANG": "C.UTF-8"}
    return {name: moved(value, image) for name, value in set_.items()} | kept


def as_user(image: Path) -> list[str]:
    """Return how to become the user of the image, where that user may run this Python; else nothing."""
    user, group = last("USER").split(":")
    become = ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]
    if os.getuid() or not shutil.which("setpriv"):
        return []
    tried = subprocess.run([*become, f"{image}/opt/gchat/bin/python", "-c", ""], capture_output=True, check=False)
    return [] if tried.returncode else become


def test_the_image_has_the_commands_and_no_tools_for_building(image: Path) -> None:
    binaries = {path.name for path in (image / "opt/gchat/bin").iterdir()}
    assert {"gchat-server", "gchat-client"} <= binaries
    assert not any(name.startswith("pip") for name in binaries)
    assert list((image / "opt/gchat").glob("lib/python*/site-packages/flit_core*")) == []
    assert (image / "opt/gchat/share/man/man1/gchat-server.1").exists()


def test_as_the_first_process_it_serves_and_stops_when_it_is_told_to(image: Path) -> None:
    if os.getuid():
        pytest.skip("only root can make a namespace of processes everywhere")
    words = [*json.loads(last("ENTRYPOINT")), *json.loads(last("CMD"))]
    become = as_user(image)
    port = free_port()
    log = image / "log"
    started = [
        need("unshare"),
        "--pid",
        "--fork",
        "--kill-child",
        *become,
        *words,
        *([] if become else ["--allow-root"]),
    ]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            started, stderr=stderr, env=environment(image) | {"GCHAT_SERVER_PORT": str(port)}, cwd="/"
        )
    try:
        wait_until(lambda: "admin page" in log.read_text() or process.poll() is not None, "it serves")
        assert f"listening on 0.0.0.0:{port}" in log.read_text()
        assert f"history: {image}{STATE}/history.db" in log.read_text()
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
        assert "stopped: " in log.read_text()
    finally:
        process.kill()
        process.wait()
    exported = subprocess.run(
        [*become, "gchat-server", "--export", "lobby"],
        capture_output=True,
        text=True,
        check=False,
        env=environment(image),
    )
    assert exported.stderr.endswith("the history is empty\n")


# In https://github.com/smokin-salmon/smoked-salmon/issues/47 another user (docker run --user) met a traceback.
def test_another_user_is_told_what_is_missing_in_one_line(image: Path) -> None:
    if not as_user(image):
        pytest.skip("no other user can run this Python")
    done = subprocess.run(
        ["setpriv", "--reuid", "10002", "--regid", "10002", "--clear-groups", "gchat-server", "--quiet"],
        capture_output=True, text=True, check=False, env=environment(image), timeout=DEADLINE_S,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"cannot store the history in {image}{STATE}/history.db: permission denied; use --db FILE" in done.stderr


# In https://github.com/traefik/traefik/issues/12455 and https://github.com/jupyter/docker-stacks/issues/1962 the check
# went through the proxy that the environment named, and a working container was unhealthy.
def test_the_health_check_asks_the_endpoint_also_where_a_proxy_is_set() -> None:
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[0] == "python"
    proxy = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    with Server("127.0.0.1", "--admin", "127.0.0.1:0") as server:
        wait_until(lambda: "admin page" in server.log, "the endpoint is there")
        found = re.search(r"admin page: http://127\.0\.0\.1:(\d+)/", server.log)
        assert found
        check = [sys.executable, *(word.replace("8889", found[1]) for word in command[1:])]
        subprocess.run(check, check=True, env=os.environ | proxy, timeout=DEADLINE_S)
    done = subprocess.run(check, check=False, capture_output=True, timeout=DEADLINE_S)
    assert done.returncode == 1
