"""Guesses: how often each network has shown a wrong secret, and how long it waits for that. Pure: the time is given.

A network that has not guessed never waits, whatever others do, so nobody can lock it out (docs/threats.md, T51).
"""

from __future__ import annotations

from msgspec import Struct

#: After so many wrong ones a network waits, and has as many again afterwards.
FREE_TRIES = 3

#: The first wait in seconds, and the longest: each is twice the one before.
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 60.0

#: So long after the last wrong one all is forgotten.
FORGOTTEN_AFTER_S = 600.0

#: Networks that are remembered; beyond it, the one that guessed longest ago is forgotten.
MAX_NETWORKS = 4096


class _Guesser(Struct):
    tries: int = 0  # wrong ones since the last wait
    wait_s: float = 0.0  # the last wait
    waits_until: float = 0.0
    at: float = 0.0  # the last wrong one


class Guesses:
    """The networks that have shown wrong secrets."""

    def __init__(self) -> None:
        self._guessers: dict[str, _Guesser] = {}  # by network, the one that guessed longest ago first

    def __len__(self) -> int:
        """Return how many networks are remembered."""
        return len(self._guessers)

    def wait_s(self, network: str, now: float) -> float:
        """Return the seconds until the next try of a network counts; 0 if it does now."""
        guesser = self._guessers.get(network)
        return 0.0 if guesser is None else max(0.0, guesser.waits_until - now)

    def wrong(self, network: str, now: float) -> float:
        """Count a wrong secret, and return for how many seconds the network has to wait now."""
        guesser = self._guessers.pop(network, None)
        if guesser is None or now - guesser.at >= FORGOTTEN_AFTER_S:
            guesser = _Guesser()
        guesser.tries, guesser.at = guesser.tries + 1, now
        if guesser.tries >= FREE_TRIES:
            guesser.tries = 0
            guesser.wait_s = min(LONGEST_WAIT_S, 2 * guesser.wait_s or FIRST_WAIT_S)
            guesser.waits_until = now + guesser.wait_s
        if len(self._guessers) >= MAX_NETWORKS:
            del self._guessers[next(iter(self._guessers))]
        self._guessers[network] = guesser
        return self.wait_s(network, now)
