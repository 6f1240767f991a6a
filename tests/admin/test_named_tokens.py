"""Named tokens: made, found by their hashes, revoked, and kept in a file that does not give them away."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gchat.admin import named_tokens
from gchat.admin.access import hash_of
from gchat.admin.named_tokens import BadToken, NamedTokens, checked_scope
from gchat.admin.token_file import TokenError

NOW = "2026-11-28T00:00:00.000Z"


def test_a_token_is_stored_as_its_hash_and_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tokens"
    tokens = NamedTokens(str(path))
    tokens.load()
    secret = tokens.make("ci", "say:dev", NOW)
    tokens.make("grafana", "read", NOW)

    assert len(secret) >= 43
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["tokens"], "no draft is left"
    again = NamedTokens(str(path))
    again.load()
    assert {name: token.scope for name, token in again.items()} == {"ci": "say:dev", "grafana": "read"}
    assert again["ci"].hash == hash_of(secret).hex()


def test_a_token_is_revoked_once(tmp_path: Path) -> None:
    tokens = NamedTokens(str(tmp_path / "tokens"))
    tokens.make("ci", "all", NOW)
    assert tokens.revoke("ci")
    assert not tokens.revoke("ci")
    again = NamedTokens(str(tmp_path / "tokens"))
    again.load()
    assert not again


@pytest.mark.parametrize(
    ("name", "scope", "why"),
    [
        ("", "all", "1 to 32 letters"),
        ("x" * 33, "all", "1 to 32 letters"),
        ("a b", "all", "1 to 32 letters"),
        ("../x", "all", "1 to 32 letters"),
        ("admin", "all", "another file"),
        ("Read", "read", "another file"),
        ("ci", "write", "expected read, say:ROOM, moderate or all"),
        ("ci", "say:", "room"),
        ("ci", "say:two words", "room"),
        ("ci", "ALL", "Unknown scope"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_sentence(name: str, scope: str, why: str) -> None:
    with pytest.raises(BadToken, match=why):
        NamedTokens().make(name, scope, NOW)


def test_a_name_is_taken_once_and_there_is_an_end_to_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_tokens, "MAX_TOKENS", 2)
    tokens = NamedTokens()
    tokens.make("a", "all", NOW)
    with pytest.raises(BadToken, match="There is a token a already"):
        tokens.make("a", "read", NOW)
    tokens.make("b", "all", NOW)
    with pytest.raises(BadToken, match="2 tokens already"):
        tokens.make("c", "all", NOW)


def test_a_room_in_a_scope_is_spelled_as_the_server_spells_it() -> None:
    assert checked_scope("say:ｄev") == "say:dev"


@pytest.mark.parametrize("content", [b"not json\n", b'{"name": "x"}\n', b"x" * 50_000])
def test_a_file_that_is_none_of_tokens_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(TokenError):
        NamedTokens(str(path)).load()


def test_a_file_that_others_can_change_is_refused_because_they_could_add_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    NamedTokens(str(path)).make("ci", "all", NOW)
    path.chmod(0o620)
    with pytest.raises(TokenError, match="chmod 600"):
        NamedTokens(str(path)).load()


def test_a_token_that_cannot_be_stored_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, where the directory should be")
    tokens = NamedTokens(str(tmp_path / "state" / "tokens"))
    with pytest.raises(TokenError, match="cannot write"):
        tokens.make("ci", "all", NOW)
    assert not tokens
