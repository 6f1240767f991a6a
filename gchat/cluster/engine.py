"""An engine: where it is, and how a node gets a connection that is authenticated."""

from __future__ import annotations

import gevent
from gevent import socket
from gevent import ssl as gevent_ssl

from gchat.cluster.engine_connection import EngineConnection, EngineLost
from gchat.cluster.engine_url import EngineUrl

#: From the first packet to the answer of the engine.
CONNECT_S = 2.0


class UrlEngine:
    """The engine at an address. Implements attachment.Dialler."""

    def __init__(self, url: EngineUrl) -> None:
        self._url = url

    def connect(self, *, is_for_reading: bool) -> EngineConnection:  # noqa: ARG002  # one engine does both
        """See attachment.Dialler.connect."""
        url = self._url
        try:
            with gevent.Timeout(CONNECT_S, EngineLost(f"{url} does not answer")):
                connection = EngineConnection(self._dial())
        except OSError as error:
            raise EngineLost(f"{url} cannot be reached: {(error.strerror or str(error)).lower()}") from None
        try:
            if url.password:
                connection.call("AUTH", *filter(None, (url.user, url.password)), timeout_s=CONNECT_S)
            if url.database:
                connection.call("SELECT", url.database, timeout_s=CONNECT_S)
        except BaseException:
            connection.close()
            raise
        return connection

    def _dial(self) -> socket.socket:
        url = self._url
        if url.path:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(url.path)
            except BaseException:
                sock.close()
                raise
            return sock
        host, port = url.hosts[0]
        sock = socket.create_connection((host, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.is_encrypted:
            context = gevent_ssl.SSLContext(gevent_ssl.PROTOCOL_TLS_CLIENT)
            context.load_default_certs()
            return context.wrap_socket(sock, server_hostname=host)
        return sock
