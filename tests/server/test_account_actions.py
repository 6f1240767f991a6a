"""Accounts that the operator makes by command, with a server and without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.journal.parts import parts_of
from gchat.model.errors import Refusal
from gchat.server.account_actions import making
from gchat.server.config import load
from gchat.server.history import open_journal
from gchat.server.making import make
from gchat.server.saved_state import restore
from gchat.server.settings import Config
from tests.e2e.harness import Server


def config(path: Path, registration: str = "open") -> Config:
    return load(None, {}, {("history", "path"): str(path / "h.db"), ("auth", "registration"): registration})


def test_without_a_server_it_is_put_into_the_history_once(tmp_path: Path) -> None:
    made = make(config(tmp_path), making(config(tmp_path), "Zoë", "tea4two!"))
    assert (made.name, made.online, made.closed) == ("Zoë", False, False)
    for name in ("zoë", "ZOË"):
        with pytest.raises(Refusal, match="is registered"):
            make(config(tmp_path), making(config(tmp_path), name, "tea4two!"))
    for name, secret in (("bob", "short"), ("a b", "tea4two!"), ("server", "tea4two!")):
        with pytest.raises(Refusal) as refused:
            make(config(tmp_path), making(config(tmp_path), name, secret))
        assert secret not in str(refused.value).split()
    with pytest.raises(Refusal, match="closed"):
        make(config(tmp_path), making(config(tmp_path, "closed"), "bob", "tea4two!"))

    journal = open_journal(config(tmp_path), str(tmp_path / "h.db"))
    registry = Registry(Limits())
    restore(registry, parts_of(journal).notes, 0.0)
    journal.close()
    assert [account.name for account in registry.accounts] == ["Zoë"]


def test_its_user_logs_in_on_the_server_that_starts_then(tmp_path: Path) -> None:
    make(config(tmp_path), making(config(tmp_path), "zoe", "tea4two!"))
    with Server(history_path=tmp_path / "h.db", auth_registration="operator") as server, server.join() as zoe:
        zoe.says("/login zoe tea4two!")
        zoe.sees("> You are logged in as zoe")
