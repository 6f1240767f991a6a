"""The operator's window, put together: the admin endpoint's socket, token, access and application.

What can go wrong goes wrong at once: the socket is bound when it is made. What answers is loaded when the chat runs.
"""

from __future__ import annotations

import gc
import ipaddress
from importlib import import_module
from typing import TYPE_CHECKING

import gevent
from gevent.hub import get_hub

from gchat.admin.access import Access
from gchat.admin.operator import Operator
from gchat.admin.token import TokenError, load_or_make
from gchat.server.config import AdminSection
from gchat.server.listener import Place, StartError, bind, spelled
from gchat.server.log import logger

if TYPE_CHECKING:
    from gchat.admin.server import AdminServer

#: How many may wait to be accepted.
LISTEN_BACKLOG = 1024

#: When the server stops: how long a request that is being answered may take.
STOP_S = 0.5


class Window:
    """A bound socket; then, from start() to stop(), the endpoint on it."""

    def __init__(self, section: AdminSection, place: Place, token_path: str) -> None:
        self._section = section
        check_reach(section, place)
        self._token = self._load_token(token_path)
        try:
            self.socket = bind(place, LISTEN_BACKLOG)
        except StartError as error:
            raise elsewhere(error) from None
        self._server: AdminServer | None = None

    @property
    def url(self) -> str:
        """Where it can be opened."""
        name = self.socket.getsockname()
        return name if isinstance(name, str) else f"http://{spelled(name[0], name[1])}/"

    def start(self, operator: Operator) -> None:
        """Begin to answer, in a moment: until then who asks waits in the kernel."""
        self._starting = gevent.spawn(self._start, operator)

    def _start(self, operator: Operator) -> None:
        # Half as long as all the rest of the start, and on a native thread it holds nobody up.
        for module in ("gchat.admin.app", "gchat.admin.server"):
            get_hub().threadpool.apply(import_module, (module,))
        from gchat.admin.app import make_app  # noqa: PLC0415
        from gchat.admin.server import AdminServer  # noqa: PLC0415

        gc.freeze()  # as in App._watch: what has been loaded is never garbage
        name = self.socket.getsockname()
        port = None if isinstance(name, str) else name[1]
        names = [*self._section.names.split(), self._section.host]
        self._server = AdminServer(self.socket, make_app(operator, Access(self._token, port, names)))
        self._server.start()

    def stop(self) -> None:
        """Answer what is being answered, and close everything."""
        self._starting.kill()
        if self._server is not None:
            self._server.stop(STOP_S)
        self.socket.close()

    def _load_token(self, path: str) -> str:
        try:
            token, is_new = load_or_make(path)
        except TokenError as error:
            if self._section.token_file or not is_own(self._section.host):
                raise StartError(str(error)) from None
            logger.warning("the admin endpoint takes no actions: %s", error)
            return ""
        if not token and not is_own(self._section.host):
            raise StartError(f"the admin endpoint is open to a network, and the token file {path} is empty")
        if is_new:
            logger.warning("the token for actions has been made: it is in %s", path)
        return token


def check_reach(section: AdminSection, place: Place) -> None:
    """Refuse a place that other machines reach, unless the operator wants that. Raises StartError."""
    if not is_own(section.host) and not section.insecure:
        raise StartError(
            f"other machines could reach the admin endpoint at {place}, and the admin token would cross the network "
            "unencrypted; listen on 127.0.0.1, or set admin.insecure = true"
        )


def elsewhere(error: StartError) -> StartError:
    """Return the error of the admin endpoint's place, with what can be done."""
    return StartError(f"the admin endpoint {error}; --admin HOST:PORT moves it, --no-admin leaves it out")


def is_own(host: str) -> bool:
    """Return whether only this machine's own programs can reach `host`."""
    if "/" in host or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
