"""The resources of hooks: what operators see and change, and what programs post to.

POST /hooks/SECRET needs no token, and no Host header of ours, because the secret is the key. It is looked up before the
body is read. A stranger without one gets 404, and is counted like somebody with a wrong token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from falcon import Request, Response

from gchat.admin.access import Access, Scope
from gchat.admin.action_resources import VISIBLE, body_of, by, put
from gchat.admin.backend import Backend
from gchat.admin.documents import NewHook
from gchat.admin.openapi import Writes
from gchat.admin.read_resources import LongResource, hooks
from gchat.admin.responses import JSON, Problem
from gchat.hooks.bodies import FORM, BadBody, Posted, heard
from gchat.hooks.book import Hook
from gchat.hooks.signature import is_signed
from gchat.journal.native_thread import NativeThread

#: A larger body is read on a native thread, so that others have turns meanwhile.
LARGE_BYTES = 65536

_TEXT = {"type": "string", "minLength": 1, "pattern": VISIBLE}

#: What programs post.
POSTED = Writes(
    "Say something as a hook, by its secret, without a token",
    None,
    200,
    status=(422,),
    hint="Plain text; JSON as for Slack and Mattermost, also as the form field `payload`; webhooks of Alertmanager, "
    "Grafana and GitHub. What is too long is cut. What is nothing to say is answered by 204.",
    bodies=(
        (JSON, {"type": "object", "required": ["text"], "properties": {"text": _TEXT}}),
        ("text/plain", _TEXT),
        # curl sends any text as a form.
        (FORM, {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}}),
    ),
    scope=Scope.NONE,
    silent=True,
    by="secret",
)


class HooksResource(LongResource):
    """The hooks, without their secrets."""

    private = "Reading hooks"

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, hooks)

    def on_post(self, req: Request, resp: Response) -> None:
        """Make a hook. The answer has its secret, which is not shown again."""
        made = self._backend.make_hook(body_of(req, NewHook))
        self._backend.note_action("hook", f"{made.name} ({made.room})", by(req))
        put(resp, made, status=201)
        resp.location = f"/hooks/{made.id}"


class HookResource:
    """One hook: by its secret for programs, by its id for operators."""

    def __init__(
        self,
        backend: Backend,
        access: Access,
        clock: Callable[[], float],
        in_time: Callable[[Callable[[], int]], int],
        aside: NativeThread,
    ) -> None:
        self._backend = backend
        self._access = access
        self._clock = clock
        self._in_time = in_time
        self._aside = aside

    def admit(self, req: Request, secret: str) -> None:
        """Note which hook a request is for. Raises Problem: the secret is of none."""
        found = self._backend.hook(secret)
        if found is None:
            raise self._access.wrong_hook(req.env["REMOTE_ADDR"], self._clock())
        req.context.hook = found

    def on_post(self, req: Request, resp: Response, hook: str) -> None:  # noqa: ARG002  # admit() has looked
        """Say what the body says, and answer when it is stored: "ok", which is what senders to Slack look for."""
        found: Hook = req.context.hook
        body: bytes = req.context.body
        if found.signing_secret and not is_signed(found.signing_secret, body, _header(req, "X_HUB_SIGNATURE_256")):
            raise Problem(403, "The body is not signed with the secret of this hook (X-Hub-Signature-256)")
        posted = Posted(body, req.env["CONTENT_TYPE"], _header(req, "X_GITHUB_EVENT"), _header(req, "TITLE"))
        try:
            message = self._aside(partial(heard, posted)) if len(body) > LARGE_BYTES else heard(posted)
        except BadBody as bad:
            raise Problem(400, str(bad)) from None
        if message is None:
            resp.status = 204
            return
        self._in_time(lambda: self._backend.say_by_hook(found, message))
        resp.content_type, resp.data = "text/plain; charset=utf-8", b"ok"

    def on_delete(self, req: Request, resp: Response, hook: str) -> None:
        """Revoke it."""
        if not (hook.isascii() and hook.isdigit() and len(hook) < 18):
            raise Problem(404, "Hooks are revoked by their id; GET /hooks lists them")
        self._backend.revoke_hook(int(hook))
        self._backend.note_action("revoke hook", hook, by(req))
        resp.status = 204


def _header(req: Request, name: str) -> str:
    return str(req.env.get(f"HTTP_{name}", ""))
