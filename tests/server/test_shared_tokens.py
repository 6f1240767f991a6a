"""Tokens that all nodes of a cluster accept, on registries that take the same steps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gchat.admin.backend import NotPossible, Unavailable
from gchat.admin.named_tokens import BadToken
from gchat.admin.token_file import TokenError
from gchat.chat.limits import Limits
from gchat.chat.order_steps import KeepNote
from gchat.chat.registry import Registry
from gchat.model.errors import Refusal
from gchat.server.notes_by_step import NotesByStep, NoteTaken
from gchat.server.shared_tokens import SharedTokens

NOW = "2026-11-28T00:00:00.000Z"


class Cluster:
    """Two nodes; `why` a step cannot be taken, "" if it can."""

    def __init__(self) -> None:
        self.registries = [Registry(Limits()), Registry(Limits())]
        self.why = ""
        self.notes = [NotesByStep(SimpleNamespace(registry=each), self.take) for each in self.registries]
        self.one, self.two = [
            SharedTokens(notes, each.notes) for notes, each in zip(self.notes, self.registries, strict=True)
        ]

    def take(self, step: KeepNote) -> Any:
        if self.why:
            raise Unavailable(self.why)
        try:
            for registry in self.registries:
                step.take(registry)
        except Refusal as refusal:
            raise NotPossible(refusal.message) from None


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


def test_a_token_is_accepted_and_revoked_at_all_nodes(cluster: Cluster) -> None:
    cluster.one.make("ci", "say:dev", NOW)

    assert {name: token.scope for name, token in cluster.two.items()} == {"ci": "say:dev"}
    assert cluster.two["ci"] == cluster.one["ci"]
    with pytest.raises(BadToken, match="There is a token ci already"):
        cluster.two.make("ci", "read", NOW)
    assert cluster.two.revoke("ci")
    assert not cluster.one
    assert not cluster.one.revoke("ci")


def test_of_two_that_are_made_at_the_same_moment_one_is_refused(cluster: Cluster) -> None:
    made = cluster.one.make("ci", "read", NOW)
    token = cluster.one["ci"]
    with pytest.raises(BadToken, match="There is a token ci already"):
        cluster.two.put("ci", token)
    with pytest.raises(NoteTaken):
        cluster.notes[1].note("token", "ci", b"x")
    assert made
    assert cluster.one["ci"] == cluster.two["ci"] == token


def test_while_the_engine_cannot_be_asked_none_is_made_and_none_is_revoked(cluster: Cluster) -> None:
    cluster.one.make("ci", "read", NOW)
    cluster.why = "the journal does not answer"
    with pytest.raises(TokenError, match="does not answer"):
        cluster.one.make("other", "read", NOW)
    with pytest.raises(TokenError, match="does not answer"):
        cluster.two.revoke("ci")
    assert list(cluster.one) == list(cluster.two) == ["ci"]


def test_a_note_that_is_no_token_is_none(cluster: Cluster) -> None:
    for registry in cluster.registries:
        registry.notes.restore({"token": {"bad": b"{}", "worse": b"\xff"}})
    assert not cluster.one
