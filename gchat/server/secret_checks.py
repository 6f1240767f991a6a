"""Checks of secrets: argon2id on a native thread, one at a time, in the order that is fair to networks.

Users of a network that has sent wrong secrets lately wait for those of others, and of networks that are alike each has
its turn. So a guesser keeps nobody else waiting for longer than one hash takes, about 25 ms, and the right secret from
elsewhere is never refused.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import Protocol

import gevent
from gevent.event import AsyncResult

from gchat.chat import logins
from gchat.chat.accounts import Account
from gchat.chat.effects import CheckSecret, Deliver, Effect, Verdict, refused
from gchat.chat.registry import Registry
from gchat.chat.session import lineage_of
from gchat.chat.steps import Conclude
from gchat.chat.tries import Tries
from gchat.journal.native_thread import NativeThread
from gchat.model.errors import Code, Refusal
from gchat.model.events import Refused
from gchat.model.hello import Hello
from gchat.server.connection import Connection
from gchat.server.counters import Counter
from gchat.server.linux import unguessable
from gchat.server.logs import logger
from gchat.server.taking import Steps

#: The costs of a hash (OWASP's for argon2id): passes, KiB of memory, lanes.
PASSES, MEMORY_KIB, LANES = 2, 19456, 1

#: Checks that wait for their turn. For one more, the last of the network that has guessed most is refused.
MAX_WAITING = 512

WRONG_SECRETS = Counter("gchat_wrong_secrets", "Secrets of accounts that were wrong.")

INTERNAL = "Internal error; please try again"


class ChecksPump(Protocol):
    """What the checks need of the pump."""

    def submit(self, effects: list[Effect]) -> None:
        """Have these effects carried out, after all that were submitted before."""

    def wait_carried_out(self) -> None:
        """Wait until everything that was submitted until now is carried out."""


class SecretChecks:
    """Checks secrets, and has carried out what comes of it."""

    def __init__(self, registry: Registry, thread: NativeThread) -> None:
        self._registry = registry
        self._tries = Tries()
        self._thread = thread
        self._is_busy = False
        self._waiting: dict[str, deque[AsyncResult[bool]]] = {}  # by network; the one that had its turn last comes last

    def begin(self, connection: Connection, check: CheckSecret, steps: Steps, pump: ChecksPump) -> None:
        """Check the secret of a user, whose next commands wait for what comes of it."""
        connection.writer.awaits_answer = True
        gevent.spawn(self._conclude, connection, check, steps, pump)

    def login(self, hello: Hello, network: str, *, is_private: bool) -> Account | Refusal | None:
        """Return the account that a hello proves to be its user's, or why not; None if it has no secret. Waits."""
        try:
            check = logins.of_hello(self._registry, hello, is_private=is_private)
            return None if check is None else logins.proven(self._registry, check, self.verdict(network, check))
        except Refusal as refusal:
            return refusal.with_traceback(None)

    def verdict(self, network: str, check: CheckSecret) -> Verdict:
        """Return the verdict on a secret that came from a network. Waits, in a greenlet that nobody ends."""
        return gevent.spawn(self._verdict, network, check).get()

    # --- In greenlets of their own -----------------------------------------------------------------------------------

    def _conclude(self, connection: Connection, check: CheckSecret, steps: Steps, pump: ChecksPump) -> None:
        session = connection.session
        verdict = self._verdict(session.network.name, check)
        try:
            if verdict.is_right:
                steps.take(Conclude.of(session, check, verdict, time.time()))
            else:  # nothing changes
                pump.submit(logins.concluded(self._registry, session, check, verdict, time.time()))
        except Refusal as refusal:
            pump.submit([refused(session.id, refusal, check.asked.id)])
        except Exception:
            logger.exception("a login crashed")
            pump.submit([Deliver(session.id, Refused(Code.TOO_MUCH, INTERNAL, check.asked.id))])
        # What it enters is on its way before it says more there.
        pump.wait_carried_out()
        connection.writer.awaits_answer = False
        connection.reader.go_on()

    def _verdict(self, network: str, check: CheckSecret) -> Verdict:
        try:
            self._check_tries(network, check)
            self._wait_for_turn(network)
            try:
                self._check_tries(network, check)  # others of the network may have been wrong meanwhile
                verdict = self._thread(lambda: hashed(check))
            finally:
                self._next_turn()
        except Refusal as refusal:
            return Verdict(refusal=refusal.with_traceback(None))
        except Exception:
            logger.exception("a check of a secret crashed")
            return Verdict(refusal=Refusal(Code.TOO_MUCH, INTERNAL))
        if check.hash and not verdict.is_right:
            WRONG_SECRETS.value += 1
            self._tries.add(network, time.monotonic())
        return verdict

    def _check_tries(self, network: str, check: CheckSecret) -> None:
        """Raise Refusal if a network has guessed too much."""
        wait_s = self._tries.wait_s(network, time.monotonic()) if check.hash else 0.0
        if wait_s:
            why = f"Too many wrong secrets from your address; try again in {wait_s:.0f} s"
            raise Refusal(Code.TOO_MANY_TRIES, why, wait_s)

    # --- Whose turn it is --------------------------------------------------------------------------------------------

    def _wait_for_turn(self, network: str) -> None:
        """Wait until nobody else's secret is checked. Raises Refusal if too many wait."""
        if not self._is_busy:
            self._is_busy = True
            return
        mine: AsyncResult[bool] = AsyncResult()
        self._waiting.setdefault(network, deque()).append(mine)
        if sum(map(len, self._waiting.values())) > MAX_WAITING:
            self._take_out(max(self._waiting, key=self._rank), last=True).set(False)
        if not mine.get():
            raise Refusal(Code.TOO_MUCH, "Too many users log in at once; try again in a few seconds", 5.0)

    def _next_turn(self) -> None:
        """Let the next one have its turn."""
        if not self._waiting:
            self._is_busy = False
            return
        now = time.monotonic()
        self._take_out(min(self._waiting, key=lambda network: self._tries.of(network, now)), last=False).set(True)

    def _take_out(self, network: str, *, last: bool) -> AsyncResult[bool]:
        line = self._waiting.pop(network)
        found = line.pop() if last else line.popleft()
        if line:
            self._waiting[network] = line  # after the others
        return found

    def _rank(self, network: str) -> tuple[float, int]:
        return self._tries.of(network, time.monotonic()), len(self._waiting[network])


def hashed(check: CheckSecret) -> Verdict:
    """Compute the verdict; on a native thread, because it takes as long as it is meant to."""
    from argon2.exceptions import VerifyMismatchError  # noqa: PLC0415  # most servers and starts do not need it
    from argon2.low_level import Type, hash_secret, verify_secret  # noqa: PLC0415

    if check.hash:
        try:
            verify_secret(check.hash.encode(), check.secret.encode(), Type.ID)
        except VerifyMismatchError:
            return Verdict()
    new = check.new.encode()
    made = hash_secret(new, os.urandom(16), PASSES, MEMORY_KIB, LANES, 32, Type.ID).decode() if new else ""
    return Verdict(is_right=True, hash=made, lineage=lineage_of(unguessable(16)))
