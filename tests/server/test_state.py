"""Where a server's files lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchat.server.state import path_of


def test_each_server_has_files_of_its_own_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    places = ["127.0.0.1:8888", "127.0.0.1:8889", "[::1]:8888", "/run/gchat/../socket"]
    paths = {path_of("history.db", place) for place in places}

    assert len(paths) == len(places)
    assert {str(Path(path).parent) for path in paths} == {"/state/gchat"}
    assert {Path(path).suffix for path in paths} == {".db"}
