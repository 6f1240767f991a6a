"""Bodies of GitHub's webhooks, by their X-GitHub-Event; Gitea and Forgejo send the same.

Shown is what people would tell each other: pushes, finished workflows, issues and pull requests that are opened, closed
or opened again, and the ping of a new webhook. All other events and actions are nothing to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gchat.hooks.fitting import first_line, listed
from gchat.hooks.loose_json import at, count, objects, text

#: Commits of one push that are shown.
MAX_COMMITS = 5

_TOLD_ACTIONS = {"opened", "closed", "reopened", "ready_for_review", "transferred"}


def lines_of(event: str, body: Any) -> list[str]:
    """Return the lines to show for an event; none if it is nothing to say."""
    tell = _EVENTS.get(event)
    lines = tell(body) if tell else []
    where = text(body, "repository", "full_name") or text(body, "organization", "login")
    return [f"{where}: {lines[0]}" if where else lines[0], *lines[1:]] if lines else []


def _push(body: Any) -> list[str]:
    by = text(body, "pusher", "name") or _sender(body)
    kind, _, name = text(body, "ref").removeprefix("refs/").partition("/")
    what = f"the tag {name}" if kind == "tags" else name
    if at(body, "deleted") is True:
        return [f"{by} deleted {what if kind == 'tags' else f'the branch {name}'}"]
    commits = objects(body, "commits")
    link = text(body, "compare") or text(body, "compare_url")
    if not commits:
        how = "created" if at(body, "created") is True else "pushed"
        return [f"{by} {how} {what if kind == 'tags' else f'the branch {name}'}{' ' if link else ''}{link}"]
    how = "force-pushed" if at(body, "forced") is True else "pushed"
    total = at(body, "total_commits")  # Gitea leaves some out
    number = max(count(body, "commits"), total if isinstance(total, int) else 0)
    shown = [_commit(commit) for commit in commits[:MAX_COMMITS]]
    many = f"{number:,} commit{'s' if number > 1 else ''}"
    return [f"{by} {how} {many} to {what}{' ' if link else ''}{link}", *listed(shown, MAX_COMMITS, number - len(shown))]


def _commit(commit: dict[str, Any]) -> str:
    by = text(commit, "author", "username") or text(commit, "author", "name")
    return f"{text(commit, 'id')[:7]} {first_line(text(commit, 'message'))}{f' ({by})' if by else ''}"


def _workflow_run(body: Any) -> list[str]:
    run = at(body, "workflow_run")
    if text(body, "action") != "completed":
        return []
    where = f"{text(run, 'head_branch')} {text(run, 'head_sha')[:7]}".strip()
    name = text(run, "name") or text(body, "workflow", "name")
    result = text(run, "conclusion").replace("_", " ") or "ended"
    return [f"{name} #{text(run, 'run_number')} on {where}: {result} {text(run, 'html_url')}".rstrip()]


def _issue(body: Any) -> list[str]:
    return _thing(body, "issue", "issue", text(body, "action"))


def _pull_request(body: Any) -> list[str]:
    action = text(body, "action")
    if action == "closed" and at(body, "pull_request", "merged") is True:
        action = "merged"
    return _thing(body, "pull_request", "pull request", action)


def _thing(body: Any, key: str, kind: str, action: str) -> list[str]:
    if text(body, "action") not in _TOLD_ACTIONS:
        return []
    thing = at(body, key)
    done = {"ready_for_review": "asks for review of", "transferred": "moved"}.get(action, action)
    title = first_line(text(thing, "title"))
    return [f"{_sender(body)} {done} {kind} #{text(thing, 'number')} {title} {text(thing, 'html_url')}".rstrip()]


def _ping(body: Any) -> list[str]:
    return [f"the webhook works: {first_line(text(body, 'zen')) or 'pong'}"]


def _sender(body: Any) -> str:
    return text(body, "sender", "login") or "somebody"


_EVENTS: dict[str, Callable[[Any], list[str]]] = {
    "push": _push,
    "workflow_run": _workflow_run,
    "issues": _issue,
    "pull_request": _pull_request,
    "ping": _ping,
}
