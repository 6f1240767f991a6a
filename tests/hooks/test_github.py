"""GitHub's events; whole bodies are in test_bodies."""

from __future__ import annotations

import pytest

from gchat.hooks.github import lines_of


@pytest.mark.parametrize("event", ["star", "check_run", "deployment", "", "Push", "../push"])
def test_other_events_are_nothing_to_say(event: str) -> None:
    assert lines_of(event, {"action": "created"}) == []


def test_gitea_counts_the_commits_that_it_leaves_out() -> None:
    body = {"ref": "refs/heads/main", "commits": [{"id": "abcdef0123", "message": "x"}], "total_commits": 9}
    assert lines_of("push", body)[-1] == "and 8 more"


def test_a_body_without_anything_is_still_a_line() -> None:
    assert lines_of("ping", {}) == ["the webhook works: pong"]
    assert lines_of("push", None) == ["somebody pushed the branch "]
