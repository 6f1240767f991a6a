"""Handshakes of TLS: how many on a core, and how long others wait while many come."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator

from tests.bench.peers import GCHAT_TLS
from tests.bench.run import START_S, Ask, Figure, Generator, Server, p99
from tests.bench.user import User

#: Handshakes that are counted, and users who come at once while somebody else waits.
HANDSHAKES, COMERS = 1000, 500

#: For so long somebody pings: it is longer than they take to come.
COMING_S = 4.0


def figures(generator: Generator, *, quick: bool) -> Iterator[Figure]:
    """What handshakes cost, and whom."""
    rounds, share = (1, 0.05) if quick else (3, 1.0)
    yield Figure("TLS handshakes on one core", "/s", [_rate(share) for _ in range(rounds)], 800, more=True)
    more = [_more_ms(generator, share) for _ in range(rounds)]
    yield Figure(f"/ping while {COMERS} connect by TLS, p99, more than before", "ms", more, 10)


def _rate(share: float) -> float:
    """Return how many handshakes the server could do in a second of its CPU time; it accepts and closes, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    count = int(HANDSHAKES * share)
    with Server(GCHAT_TLS, 0) as server:
        before = server.cpu_s()
        for _ in range(count):
            with socket.create_connection(("127.0.0.1", server.port), START_S) as sock, context.wrap_socket(sock):
                pass
        return count / max(0.01, server.cpu_s() - before)


def _more_ms(generator: Generator, share: float) -> float:
    """Return how much longer a user in another room waits while others connect."""
    with Server(GCHAT_TLS, COMERS) as server, User(server) as user:
        user.asks("/join aside")
        calm = p99(user.paced_ms(COMING_S * share, lambda: None))
        with generator.started(server, Ask(int(COMERS * share)), idle=True) as phases:
            coming = threading.Thread(target=next, args=(phases,))
            coming.start()
            waits = p99(user.paced_ms(COMING_S * share, lambda: None))
            coming.join()
        return waits - calm
