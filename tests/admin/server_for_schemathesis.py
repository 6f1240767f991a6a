"""Serves the endpoint, prints its port, and lets a minute pass between two requests: wrong tokens are forgiven.

For each user who is kicked another one comes, so that there is always somebody.
"""

from __future__ import annotations

from itertools import count

from gchat.admin.access import WINDOW_S, Access
from gchat.admin.http_server import AdminServer
from gchat.admin.named_tokens import NamedTokens
from gchat.admin.routes import make_app
from gchat.server.own_thread import OwnThread
from tests.admin.fake_backend import TOKEN, FakeBackend, listen


class PeopledBackend(FakeBackend):
    """A server that is never empty."""

    def leaves(self, user: int, reason: str = "quit") -> None:
        """Have somebody go, and another one come."""
        super().leaves(user, reason)
        self.joins()


if __name__ == "__main__":
    listener = listen()
    port = listener.getsockname()[1]
    minutes = count()
    tokens = NamedTokens()
    app = make_app(PeopledBackend(), Access(TOKEN, named=tokens), tokens, OwnThread(), lambda: next(minutes) * WINDOW_S)
    server = AdminServer(listener, app)
    server.start()
    print(port, flush=True)
    server.serve_forever()
