"""HTTP over sockets: gevent's pywsgi with a strict head, a deadline for everything, and places for quick requests.

A slow or silent peer costs nobody else: a connection that waits for its next head makes room for a
newcomer when all places are taken, and requests that take long never hold all of them.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import unquote

from gevent import Timeout
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIHandler, WSGIServer

from gchat.accept_pause import AcceptPause
from gchat.admin.forwarded import RequestOrigin, origin_of
from gchat.admin.proxied import behind
from gchat.admin.request_body import RequestBody
from gchat.admin.request_head import MAX_HEAD_BYTES, MAX_LINE_BYTES, RequestHead, parse
from gchat.admin.responses import HEADERS, Problem, answered
from gchat.admin.security import Newcomer, Security, begin
from gchat.breather import breathe

logger = logging.getLogger("gchat")

#: Connections at a time.
MAX_CONNECTIONS = 64

#: Of them, with a request that is being answered: the rest is for HEALTH, which takes no time.
MAX_WORKING = 56
HEALTH = frozenset(["/healthz", "/readyz"])

HEAD_S = 5.0  # from the first byte of a request, or the connection, to the end of its head
IDLE_S = 15.0  # between two requests
SEND_S = 10.0  # for each piece of an answer
LINGER_S = 0.5  # for what is still coming of a request that was answered before its end

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_EVERY_ANSWER = [(name.encode(), value.encode()) for name, value in HEADERS]


class Handler(WSGIHandler):
    """One connection, and its requests one after the other. Nothing that a peer does gets out of it as an error."""

    server: AdminServer

    def __init__(self, sock: Any, address: Any, server: AdminServer) -> None:
        super().__init__(sock, address, server)
        self.head: RequestHead | None = None
        self.evicted = False
        self._requests = 0
        self._held: bytearray | None = None  # of an answer, until there is enough to send
        name = sock.getsockname()
        self._local = name[0] if isinstance(name, tuple) else ""
        self._neighbour = self._peer = address[0] if isinstance(address, tuple) else ""  # the peer may be behind it

    # --- The head --------------------------------------------------------------------------------------------------

    def handle_one_request(self) -> Any:
        """Read a request and answer it; return True if there may be another."""
        self.head, self.response_length, self.close_connection = None, 0, False
        self.code, self.headers_sent, self.request_version = None, False, "HTTP/1.1"
        try:
            lines = self._read_head()
            if not lines:
                return None
            self.head = head = parse(lines)
            self._requests += 1
            origin = origin_of(self._neighbour, head.fields, self.server.trusted())
            self._peer = origin.peer
            self.environ = self._environ(head, origin)
            self.close_connection = head.closes or self.server.draining
            if not self.server.may_work(head.path):
                raise _full()
        except Problem as problem:
            self._refuse(problem)
            return None
        except OSError:
            return None
        self.server.working[self] = head.path
        try:
            if head.path not in HEALTH:
                self.server.take_turn()
            self.socket.settimeout(SEND_S)
            self.handle_one_response()
        finally:
            self.server.working.pop(self, None)  # not there if it had to make room
        if not self._body.is_read:
            self._linger()
        return None if self.close_connection else True

    def _read_head(self) -> list[bytes]:
        """Return the lines of the next head, without the empty one that ends it; none at the end of the stream."""
        self.socket.settimeout(None)
        self.server.waiting[self] = None
        try:
            if self._requests:
                begun = False
                with Timeout(IDLE_S, False):  # type: ignore[arg-type]  # False: silent
                    begun = bool(self.rfile.peek(1))
                if not begun:
                    return []
            with Timeout(HEAD_S, False):  # type: ignore[arg-type]
                return self._read_lines()
        except OSError:
            if self.evicted and not self._requests:
                raise _full() from None
            raise
        finally:
            self.server.waiting.pop(self, None)
        raise Problem(408, f"The head of the request did not arrive within {HEAD_S:g} s")

    def _read_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        left = MAX_HEAD_BYTES
        while True:
            line = self.rfile.readline(MAX_LINE_BYTES + 1)
            if line == b"\r\n" and lines:
                return lines
            if len(line) > MAX_LINE_BYTES and not lines:
                raise Problem(414, f"The request line is too long; at most {MAX_LINE_BYTES:,} bytes are accepted")
            left -= len(line)
            if left < 0 or len(line) > MAX_LINE_BYTES:
                raise Problem(431, f"The head is too large; at most {MAX_HEAD_BYTES:,} bytes are accepted")
            if not line.endswith(b"\n"):
                return []  # the peer is gone, or sends no more requests
            lines.append(line)
            if not line.endswith(b"\r\n"):
                raise Problem(400, "A line of the head does not end with CR LF")

    def evict(self, how: int) -> None:
        """Shut the socket down: gevent raises OSError where it is waited for. With SHUT_RD we can still answer."""
        self.evicted = True
        try:
            self.socket.shutdown(how)
        except OSError:
            pass  # the peer was quicker

    def _environ(self, head: RequestHead, origin: RequestOrigin) -> dict[str, Any]:
        environ = self.server.get_environ()
        for name, value in head.fields.items():
            if "_" not in name:  # X_Y would be taken for X-Y
                environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
        environ["REQUEST_METHOD"] = self.command = head.method
        environ["SCRIPT_NAME"] = ""
        environ["PATH_INFO"] = unquote(head.path, "latin-1")
        environ["QUERY_STRING"] = head.query
        environ["SERVER_PROTOCOL"] = self.request_version = head.version
        environ["CONTENT_TYPE"] = head.fields.get("content-type", "")
        environ["CONTENT_LENGTH"] = "" if head.body_bytes is None else str(head.body_bytes)
        environ["REMOTE_ADDR"] = self._peer
        if origin.host:
            environ["HTTP_HOST"] = origin.host
        environ["gchat.local"] = self._local
        environ["gchat.origin"] = origin
        environ["gchat.socket"] = self.socket
        self.requestline = head.line
        self.application = self.server.application
        # It does not know this handler: else neither would be freed before garbage is looked for.
        agree = partial(self.socket.sendall, CONTINUE) if head.expects_continue else bool
        self._body = RequestBody(self.rfile, head, agree, self.server.take_turn)
        environ["wsgi.input"] = self.wsgi_input = self._body  # type: ignore[assignment]  # in the place of pywsgi's
        environ["wsgi.input_terminated"] = True
        return environ

    # --- The answer ------------------------------------------------------------------------------------------------

    def finalize_headers(self) -> None:
        """Add what every answer has."""
        headers: list[Any] = self.response_headers  # type: ignore[assignment]  # it is set by now
        headers += _EVERY_ANSWER
        self.close_connection = self.close_connection or not self._body.is_read or self.server.draining
        if self.close_connection and not any(name.lower() == b"connection" for name, _ in headers):
            headers.append((b"Connection", b"close"))
        if self.command == "HEAD" and self.provided_content_length is None:
            self.provided_content_length = ""  # it is not known: neither a length nor pieces are announced
        super().finalize_headers()

    def write(self, data: bytes) -> None:
        """Send a piece of the answer, and let everybody else have a turn before the next is made."""
        super().write(data)
        self.server.take_turn()

    def _write_with_headers(self, data: bytes) -> None:
        """Send the head and the body's first piece in one packet."""
        self._held = held = bytearray()
        super()._write_with_headers(data)  # type: ignore[misc]
        self._held = None
        self._sendall(held)

    def _sendall(self, data: bytes | bytearray) -> None:
        if self._held is None:
            super()._sendall(data)  # type: ignore[misc]
        else:
            self._held += data

    def _refuse(self, problem: Problem) -> None:
        """Answer what never came to the application, and close."""
        self.code = problem.status
        try:
            self.socket.settimeout(LINGER_S)
            self.socket.sendall(answered(problem))
        except OSError:
            return
        self.log_request()
        self._linger()

    def _linger(self) -> None:
        """Read on for a moment: closed before all is read, the peer gets a reset, and perhaps not our answer."""
        self.server.waiting[self] = None
        try:
            self.socket.shutdown(socket.SHUT_WR)
            with Timeout(LINGER_S, False):  # type: ignore[arg-type]
                while self.socket.recv(65536):
                    pass
        except OSError:
            pass
        finally:
            self.server.waiting.pop(self, None)

    # --- The log ---------------------------------------------------------------------------------------------------

    def log_request(self) -> None:
        """Log one line, at debug."""
        if logger.isEnabledFor(logging.DEBUG):
            line = self.head.line if self.head else "(no request)"
            asked = {"address": str(self._peer or "unix"), "request": line, "status": self.code}
            logger.debug("admin: %(address)s %(request)s: %(status)s", asked)

    def log_error(self, msg: str, *args: object) -> None:
        """Log what a peer did wrong, at debug."""
        logger.debug("admin: %s", msg % args if args else msg)

    def handle_error(self, t: Any, v: Any, tb: Any) -> None:
        """Log a fault of ours, and close: whether the answer was complete is not known."""
        self.close_connection = True
        if isinstance(v, OSError):  # of the socket: what else fails is caught by the application
            return
        if isinstance(v, Exception):
            logger.error("admin: a request crashed; it alone is closed", exc_info=(t, v, tb))
        if not self.response_length:
            try:
                self.socket.sendall(answered(Problem(500, "Internal error; the server's log has the details")))
            except OSError:
                pass


class AdminServer(WSGIServer):
    """Serves `application` on a listening socket that the caller made."""

    handler_class = Handler

    # A newcomer that needs a place freed costs 0.4 ms: with 16 at a time, as in the chat, a crowd of slow heads held
    # the loop for up to 12 ms (measured), and with 2 for no longer than fan-out itself does.
    max_accept = 2

    def __init__(
        self,
        listener: socket.socket,
        application: Callable[..., Iterable[bytes]],
        security: Security | None = None,
        trusted: Callable[[], str] = str,
    ) -> None:
        # SERVER_NAME, because without it the address is looked up in the DNS at the start.
        super().__init__(
            listener,
            application,
            spawn=Pool(),
            log=None,
            error_log=None,
            environ={"SERVER_NAME": "gchat"},
        )
        self.draining = False
        self.open: set[Any] = set()  # sockets
        self._security = security
        self.trusted = trusted  # returns the networks of proxies that are believed
        self.waiting: dict[Handler | Newcomer, None] = {}  # for a head, the one that waits longest first
        self.working: dict[Handler, str] = {}  # the paths of requests that are being answered, the oldest first
        self._pause = AcceptPause(self, "admin: cannot accept connections: %(reason)s; trying again")
        self._last_turn = Event()
        self._last_turn.set()

    def take_turn(self) -> None:
        """Give the chat a turn, and each earlier request here: one piece of work in a turn of the loop.

        With breathe() alone all requests would go on in the same turn: four that asked for the status of 5,000 users
        held the loop for 18 ms (measured).
        """
        before, self._last_turn = self._last_turn, (mine := Event())
        try:
            before.wait()
            breathe()
        finally:
            mine.set()

    def may_work(self, path: str) -> bool:
        """Return whether one more request, for this path, may be worked at."""
        return len(self.working) < (MAX_CONNECTIONS if path in HEALTH else MAX_WORKING)

    def do_read(self) -> Any:
        """Accept one connection; None if there is none, or no descriptor for it."""
        try:
            return super().do_read()
        except OSError as error:
            if error.errno != errno.ECONNABORTED and not self._pause.begins(error):
                raise
            return None

    def do_handle(self, *args: Any) -> None:
        """Handle a connection in a greenlet of its own, if there is a place, or one can be freed."""
        sock, _ = args
        if len(self.open) >= MAX_CONNECTIONS and not self._make_room():
            try:
                sock.setblocking(False)
                sock.send(answered(_full()))
                sock.recv(MAX_HEAD_BYTES)  # or the peer gets a reset, and not our answer
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            sock.close()
            return
        if sock.family != socket.AF_UNIX:  # without it every request on a kept connection waits 40 ms for an ack
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open.add(sock)
        super().do_handle(*args)

    def handle(self, sock: Any, address: Any) -> None:
        """Serve one connection; with TLS, after its handshake."""
        if (address := behind(sock, address, self.trusted(), self)) is None:
            return
        if self._security is None:
            super().handle(sock, address)
        elif (secured := begin(sock, self._security, self)) is not None:
            try:
                super().handle(secured, address)
            finally:
                self.open.discard(secured)
                secured.close()

    def do_close(self, *args: Any) -> None:
        """Count a connection out."""
        self.open.discard(args[0])
        super().do_close(*args)

    def _make_room(self) -> bool:
        if handler := next(iter(self.waiting), None):
            del self.waiting[handler]
            handler.evict(socket.SHUT_RD)
            return True
        # These are answered at once: if such a request is still here, its peer does not read the answer.
        if handler := next((handler for handler, path in self.working.items() if path in HEALTH), None):
            del self.working[handler]
            handler.evict(socket.SHUT_RDWR)
            return True
        return False

    def stop(self, timeout_s: float | None = None) -> None:
        """Accept no more, end what waits and streams at once, and the rest when it is answered or after `timeout_s`."""
        self.draining = True
        for sock in list(self.open):
            try:
                sock.shutdown(socket.SHUT_RD)  # event streams watch for it too
            except OSError:
                pass
        super().stop(timeout_s)


def _full() -> Problem:
    # Each time a new one: an exception keeps the frames of every place that it was raised at, and all that is in them.
    return Problem(503, "Too many connections; try again in a moment", Retry_After="1")
