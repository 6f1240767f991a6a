"""Where all nodes of a supervisor listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gchat.server.activation import CHAT
from gchat.server.config import load
from gchat.server.listener import StartError, bind
from gchat.server.settings import Config
from gchat.server.start_checks import admin_place, chat_place
from gchat.server.workers.worker_place import WorkerPlace


def config_of(**settings: object) -> Config:
    return load(None, {f"GCHAT_{key.upper()}": str(value) for key, value in settings.items()}, {})


def test_port_0_is_one_port_for_all_nodes() -> None:
    settings = {"server_port": 0, "admin_port": 0, "cluster_name": "web"}
    place = WorkerPlace(config_of(**settings), {})
    configs = [place.config_of(config_of(**settings), number, "unix:///x") for number in (1, 2)]

    assert {config.server.port for config in configs} == {place.chat.port}
    assert len({config.admin.port for config in configs}) == 1
    assert [config.cluster.name for config in configs] == ["web-1", "web-2"]
    for config in configs:
        for where in (chat_place(config), admin_place(config)):
            with bind(where, 1, reuse_port=config.server.reuse_port):
                pass
    place.close()


def test_a_port_in_use_is_found_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(StartError, match=r"^cannot listen on .* the port is in use"):
            WorkerPlace(config_of(server_port=other.getsockname()[1], admin_enabled="false"), {})
        with pytest.raises(StartError, match=r"^the admin endpoint cannot listen on"):
            WorkerPlace(config_of(server_port=0, admin_port=other.getsockname()[1]), {})


def test_a_unix_socket_is_shared_and_so_is_what_systemd_passes(tmp_path: Path) -> None:
    place = WorkerPlace(config_of(server_host=tmp_path / "chat", admin_enabled="false"), {})
    assert (tmp_path / "chat").is_socket()
    assert list(place.shared) == [CHAT]
    place.close()
    assert not (tmp_path / "chat").exists()

    with socket.create_server(("127.0.0.1", 0)) as passed:
        place = WorkerPlace(config_of(admin_enabled="false"), {CHAT: passed})
        assert place.chat.port == passed.getsockname()[1]
        assert place.shared[CHAT] is passed
