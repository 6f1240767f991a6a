"""Opening a connection to an engine or a sentinel: dialled, encrypted, authenticated, and known to be ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent import socket
from gevent import ssl as gevent_ssl

from gchat.cluster.engine_connection import EngineConnection, EngineLost, EngineRefused
from gchat.cluster.engine_url import EngineUrl, Place, shown_place

#: From the first packet to the last answer before a connection can be used.
CONNECT_S = 2.0

#: What an engine says, in words that say what to do.
EXPLAINED = {
    "NOAUTH": "{place} wants a password; expected valkey://:PASSWORD@HOST or valkey://USER:PASSWORD@HOST",
    "WRONGPASS": "{place} refuses the password",
    "NOPERM": "{place} does not let its user do what is needed ({text}); see docs/cluster.md",
    "LOADING": "{place} has not loaded its data yet; try again soon",
    "MASTERDOWN": "{place} is a replica that has lost its primary",
    "READONLY": "{place} is a replica, which takes no messages; expected the address of the primary, or its sentinels",
    "DENIED": "{place} takes no connections from other machines without a password: see its setting protected-mode",
}


def opened(url: EngineUrl, place: Place) -> EngineConnection:
    """Return a connection to a place, with which can be worked at once. Waits. Raises EngineLost, EngineRefused."""
    with _in_time(url, place):
        connection = _dialled(url, place)
        try:
            if url.password:
                connection.call("AUTH", *filter(None, (url.user, url.password)), timeout_s=CONNECT_S)
            if url.database:
                connection.call("SELECT", url.database, timeout_s=CONNECT_S)
            connection.call("PING", timeout_s=CONNECT_S)
        except BaseException:
            connection.close()
            raise
        return connection


def opened_sentinel(url: EngineUrl, place: Place) -> EngineConnection:
    """Return a connection to a sentinel; the password is for it too, if it wants one. Otherwise like `opened`."""
    with _in_time(url, place):
        connection = _dialled(url, place)
        try:
            if url.password:
                _authenticate_if_wanted(connection, url)
        except BaseException:
            connection.close()
            raise
        return connection


def _authenticate_if_wanted(connection: EngineConnection, url: EngineUrl) -> None:
    try:
        connection.call("PING", timeout_s=CONNECT_S)
    except EngineRefused as error:
        if error.code != "NOAUTH":
            raise
        connection.call("AUTH", *filter(None, (url.user, url.password)), timeout_s=CONNECT_S)


@contextmanager
def _in_time(url: EngineUrl, place: Place) -> Iterator[None]:
    """Say of what goes wrong at which place it does, and do not wait for ever."""
    shown = shown_place(place)
    try:
        with gevent.Timeout(CONNECT_S, EngineLost(f"{shown} does not answer{' in TLS' if url.is_encrypted else ''}")):
            yield
    except gevent_ssl.SSLError as error:
        why = (
            f"the certificate: {error.verify_message}" if hasattr(error, "verify_message") else "no TLS is spoken there"
        )
        raise EngineLost(f"{shown} cannot be trusted: {why}") from None
    except OSError as error:
        raise EngineLost(f"{shown} cannot be reached: {(error.strerror or str(error)).lower()}") from None
    except EngineLost as error:
        raise error if shown in str(error) else EngineLost(f"{shown}: {error}") from None
    except EngineRefused as error:
        said = EXPLAINED.get(error.code, "{place}: {text}").format(place=shown, text=error)
        raise EngineRefused(said, error.code) from None


def _dialled(url: EngineUrl, place: Place) -> EngineConnection:
    if isinstance(place, str):
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(place)
        except BaseException:
            sock.close()
            raise
        return EngineConnection(sock)
    sock = socket.create_connection(place)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not url.is_encrypted:
        return EngineConnection(sock)
    context = gevent_ssl.SSLContext(gevent_ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()  # SSL_CERT_FILE names others
    encrypted = context.wrap_socket(sock, server_hostname=place[0], do_handshake_on_connect=False)
    try:
        encrypted.do_handshake()
    except BaseException:
        encrypted.close()
        raise
    return EngineConnection(encrypted)
