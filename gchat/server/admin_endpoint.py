"""The admin endpoint put together: its socket, tokens, access and application.

Errors come at the start: the socket is bound when the object is made. The application is loaded once the chat runs.
"""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable
from functools import partial
from importlib import import_module

import gevent

from gchat.admin.backend import Backend
from gchat.admin.named_tokens import NamedTokens
from gchat.admin.token_file import TokenError, load_or_make
from gchat.chat.operator_notes import OperatorNotes
from gchat.cli import spelled
from gchat.journal.native_thread import NativeThread
from gchat.model.secret import Secret
from gchat.server.faults import log_fault
from gchat.server.listener import StartError, bind
from gchat.server.logs import logger
from gchat.server.notes_by_step import NotesByStep
from gchat.server.settings import Config
from gchat.server.start_checks import admin_place, check_reach, elsewhere, is_own, no_token, same_token
from gchat.server.state_files import token_path, tokens_path
from gchat.server.tls import Tls

#: Connections that may wait to be accepted.
LISTEN_BACKLOG = 1024

#: When the server stops, a request that is being answered may take this long.
STOP_S = 0.5


class AdminEndpoint:
    """A bound socket; then, from start() to stop(), the endpoint on it."""

    def __init__(self, config: Config, host: str, port: int, tls: Tls, listener: socket.socket | None = None) -> None:
        """Bind the endpoint of the server whose chat is at this address. Raises StartError."""
        self._section = section = config.admin
        self._trusted = lambda: config.server.trusted_proxies
        place = admin_place(config)
        self._tls = tls if tls.is_on and not place.is_path else None
        check_reach(section, place, has_tls=tls.is_on)
        self._token = self._load_token(token_path(config, host, port))
        self._read_token = self._load_read_token(section.read_token_file) if section.read_token_file else Secret()
        self._named_tokens = NamedTokens("" if config.cluster.url else tokens_path(config, host, port))
        try:
            self._named_tokens.load()
        except (TokenError, OSError) as error:
            raise StartError(str(error)) from None
        try:
            self.socket = listener or bind(place, LISTEN_BACKLOG, reuse_port=config.server.reuse_port)
        except StartError as error:
            raise elsewhere(error) from None
        self._stop: Callable[[float], None] | None = None  # of the HTTP server, when it runs

    def share_tokens(self, notes: NotesByStep, kept: OperatorNotes) -> None:
        """Have the tokens of a cluster in place of those in a file."""
        from gchat.server.shared_tokens import SharedTokens  # noqa: PLC0415  # a server that is alone needs none of it

        self._named_tokens = SharedTokens(notes, kept)

    @property
    def url(self) -> str:
        """The address of the page."""
        name = self.socket.getsockname()
        return name if isinstance(name, str) else f"{self._scheme}://{spelled(name[0], name[1])}/"

    @property
    def _scheme(self) -> str:
        return "https" if self._tls else "http"

    def start(self, backend: Backend, loader: NativeThread) -> None:
        """Begin to answer, when `loader` has loaded what answers: until then requests wait in the kernel."""
        self._starting = gevent.spawn(self._try_to_start, backend, loader)

    def _try_to_start(self, backend: Backend, loader: NativeThread) -> None:
        try:
            self._start(backend, loader)
        except Exception as error:  # the chat goes on without it
            log_fault("cannot start the admin endpoint", error)

    def _start(self, backend: Backend, loader: NativeThread) -> None:
        # This takes half as long as the rest of the start, and on a native thread it holds nobody up.
        for module in ("gchat.admin.routes", "gchat.admin.http_server"):
            loader(partial(import_module, module))
        from gchat.admin.access import Access  # noqa: PLC0415
        from gchat.admin.http_server import AdminServer  # noqa: PLC0415
        from gchat.admin.routes import make_app  # noqa: PLC0415

        gc.freeze()  # as in Watch.run: what has been loaded is never garbage
        names = [*self._section.names.split(), self._section.host]
        access = Access(
            self._token,
            names,
            self._scheme,
            read_token=self._read_token,
            public_url=self._section.public_url,
            named=self._named_tokens,
        )
        app = make_app(backend, access, self._named_tokens, loader)  # which has nothing else to do from now on
        server = AdminServer(self.socket, app, self._tls, self._trusted)
        server.start()
        self._stop = server.stop

    def stop(self) -> None:
        """Finish the requests that are being answered, and close everything."""
        self._starting.kill()
        if self._stop is not None:
            self._stop(STOP_S)
        self.socket.close()

    def _load_token(self, path: str) -> Secret:
        """Return the admin token. Raises StartError; without a token_file the endpoint starts all the same."""
        try:
            token, is_new = load_or_make(path)
        except TokenError as error:
            if self._section.token_file or not is_own(self._section.host):
                raise StartError(str(error)) from None
            logger.warning("the admin endpoint has no admin token: %(reason)s", {"reason": str(error)})
            return Secret()
        if not token and not is_own(self._section.host):
            raise no_token(path)
        if is_new:
            logger.warning("created the admin token in %(path)s", {"path": path})
        return token

    def _load_read_token(self, path: str) -> Secret:
        """Return the read-only token. Raises StartError."""
        try:
            token, is_new = load_or_make(path)
        except TokenError as error:
            raise StartError(str(error)) from None
        if token and token == self._token:
            raise same_token()
        if is_new:
            logger.warning("created the read-only token in %(path)s", {"path": path})
        return token
