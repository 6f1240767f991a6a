"""The server's password: a peer that does not know it is not let in. The last stage of the door before the dialect.

A program shows it in its hello; everybody else is asked for it and types it as the first line, which telnet keeps off
the screen. What was shown is compared and forgotten: it is never said, logged or kept.

A network that guesses waits, longer each time. Meanwhile few of its connections are held, and the others are turned
away at once, by `no_place` as early as they are accepted. A network that has not guessed is never held up.
"""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import gevent
from gevent.event import Event

from gchat.chat.guesses import Guesses
from gchat.dialects import plain
from gchat.dialects.choice import spoken
from gchat.dialects.dialect import Dialect
from gchat.dialects.lines import LineDecoder
from gchat.dialects.sniff import greets_in
from gchat.model.errors import Code, LineEndless, LineTooLong, Refusal
from gchat.model.events import Done
from gchat.secret_file import NotSecretFile, read
from gchat.server.listener import Peer, StartError
from gchat.server.logs import logger
from gchat.server.opening import FAREWELL, MAX_BYTES, Opening, said
from gchat.server.transport import Transport

#: The longest password, in bytes.
MAX_PASSWORD_BYTES = 1024

#: How long somebody who was asked may take to type it.
ANSWER_S = 60.0

#: Of a network that has to wait: the connections that are not in yet, held until it may try again; and in all.
MAX_HELD_EACH, MAX_HELD = 4, 256

#: What refusals of this stage are about.
CODES = (Code.PASSWORD_NEEDED, Code.WRONG_PASSWORD, Code.TOO_MANY_TRIES)

QUESTION = "This server has a password; type it, and press Enter"
AGAIN = "That is not the password; try again"


class ServerPassword:
    """The password that is configured, if there is one, and those who are asked for it. Raises StartError."""

    def __init__(self, path: str) -> None:
        self._digest = load(path)
        self._guesses = Guesses()
        self._asked: dict[str, int] = {}  # connections that are not in yet, by network
        self._held = 0  # those of them that wait because their network has guessed

    @property
    def is_set(self) -> bool:
        """Whether the server has a password."""
        return bool(self._digest)

    def reload(self, path: str) -> None:
        """Have what is in the file now be the password, for those who come from now on; log what comes of it."""
        try:
            digest = load(path)
        except StartError as error:
            logger.error("server password not reloaded, the old one stays: %(reason)s", {"reason": str(error)})
            return
        if digest != self._digest:
            logger.warning(
                "server password reloaded: %(what)s", {"what": "it has changed" if digest else "there is none"}
            )
        self._digest = digest

    # --- Those who have to wait --------------------------------------------------------------------------------------

    def no_place(self, network: str) -> Refusal | None:
        """Return why a peer of this network is turned away before it is heard; None if it is not."""
        if not self._digest or not (wait_s := self._guesses.wait_s(network, time.monotonic())):
            return None
        is_held = self._asked.get(network, 0) < MAX_HELD_EACH and self._held < MAX_HELD
        return None if is_held else _too_many(wait_s)

    @contextmanager
    def asked(self, network: str) -> Iterator[None]:
        """Count a peer of this network that is not in yet."""
        asked = self._asked
        asked[network] = asked.get(network, 0) + 1
        try:
            yield
        finally:
            asked[network] -= 1
            if not asked[network]:
                del asked[network]

    # --- The stage of the door -------------------------------------------------------------------------------------

    def prove(self, transport: Transport, peer: Peer, opening: Opening, stopping: Event) -> Dialect:
        """Return the dialect of a peer that has shown the password; its opening is then what came behind that.

        Raises Refusal: it does not know it; OSError: it is gone.
        """
        dialect = spoken(opening.heard)
        if not self._digest:
            return dialect
        if dialect.traits.has_hello:
            self._prove_by_hello(dialect, peer.network, opening)
            return dialect
        with _ended_by(stopping):
            return self._prove_by_typing(_Typist(transport, opening), peer.network)

    def _prove_by_hello(self, dialect: Dialect, network: str, opening: Opening) -> None:
        hello, _ = dialect.hello(opening.heard)
        if hello is None or not hello.password:
            raise Refusal(Code.PASSWORD_NEEDED, "This server has a password, which a hello shows in its field password")
        if wait_s := self._guesses.wait_s(network, time.monotonic()):
            raise _too_many(wait_s)
        if not self._is_right(hello.password.encode("utf-8", "surrogatepass")):
            wait_s = self._count_wrong(network)
            raise Refusal(Code.WRONG_PASSWORD, "That is not the password of this server", wait_s)

    def _prove_by_typing(self, typist: _Typist, network: str) -> Dialect:
        self._wait_turn(typist, network)
        line = typist.line(QUESTION)
        if greets_in(line):
            dialect = spoken(typist.give_back(line))
            self._prove_by_hello(dialect, network, typist.opening)
            return dialect
        while True:
            self._wait_turn(typist, network)  # others of the network may have guessed since the question
            if self._is_right(line):
                typist.give_back()
                return plain
            if wait_s := self._count_wrong(network):
                raise Refusal(Code.WRONG_PASSWORD, f"That is not the password; {_next_try(wait_s)}", wait_s)
            line = typist.line(AGAIN)

    def _wait_turn(self, typist: _Typist, network: str) -> None:
        """Wait until the next try of a network counts. Raises Refusal: too many of it wait already."""
        is_told = False
        while wait_s := self._guesses.wait_s(network, time.monotonic()):
            if self._asked[network] > MAX_HELD_EACH or self._held >= MAX_HELD:
                raise _too_many(wait_s)
            if not is_told:
                typist.tell(f"Somebody at your address has guessed passwords; {_next_try(wait_s)}")
            is_told = True
            self._held += 1
            try:
                typist.wait(wait_s)
            finally:
                self._held -= 1

    def _count_wrong(self, network: str) -> float:
        """Count a wrong password, and return for how many seconds the network has to wait now."""
        if wait_s := self._guesses.wrong(network, time.monotonic()):
            guessed = {"network": network or "a Unix socket", "wait_s": ceil(wait_s)}
            logger.warning("wrong server passwords from %(network)s: the next try is in %(wait_s)d s", guessed)
        return wait_s

    def _is_right(self, shown: bytes) -> bool:
        from hmac import compare_digest  # noqa: PLC0415  # it loads OpenSSL

        return len(shown) <= MAX_PASSWORD_BYTES and compare_digest(_digest(shown), self._digest)


class _Typist:
    """Somebody at a keyboard, or a pipe, who is asked for lines and has them kept off telnet's screen."""

    def __init__(self, transport: Transport, opening: Opening) -> None:
        self.opening = opening
        self._transport = transport
        self._lines = LineDecoder(MAX_BYTES, typed=True)
        self._take()

    def line(self, question: str) -> bytes:
        """Return the next line, b"" for one that is too long; if it is not here yet, ask for it.

        Raises Refusal: it does not come; OSError: it never will.
        """
        lines, opening, until = self._lines, self.opening, time.monotonic() + ANSWER_S
        if not lines.waiting and not opening.has_ended:
            self._transport.send(lines.hide())
            self.tell(question)
        while not lines.waiting:
            if opening.has_ended:
                if not lines.rest:
                    raise OSError("gone")
                lines.feed(b"\n")
                break
            if (left_s := until - time.monotonic()) <= 0:
                raise Refusal(Code.PASSWORD_NEEDED, f"You were asked for the password, and {ANSWER_S:g} s are over")
            opening.hear(self._transport, lambda opening: bool(opening.heard) or opening.has_ended, left_s)
            self._take()
        try:
            return lines.take(1)[0]
        except (LineTooLong, LineEndless):
            return b""

    def give_back(self, line: bytes | None = None) -> bytes:
        """Have what was not taken be the opening again, behind `line` if there is one; return that."""
        rest = self._lines.untaken() + self.opening.heard
        self.opening.heard = rest if line is None else line + b"\n" + rest
        return self.opening.heard

    def wait(self, seconds: float) -> None:
        """Wait, and raise OSError if the peer goes away meanwhile."""
        until, opening = time.monotonic() + seconds, self.opening
        opening.hear(self._transport, lambda opening: opening.has_ended or len(opening.heard) > MAX_BYTES, seconds)
        if opening.has_ended and not (opening.heard or self._lines.waiting or self._lines.rest):
            raise OSError("gone")
        gevent.sleep(max(0.0, until - time.monotonic()))

    def tell(self, text: str) -> None:
        """Show a line."""
        self._transport.send(said(plain, Done(text)))

    def _take(self) -> None:
        data, self.opening.heard = self.opening.heard, b""
        if data:
            self._lines.feed(data)
            self._transport.send(self._lines.replies())
        if self._lines.interrupted:
            raise OSError("left by Ctrl+C in telnet")


@contextmanager
def _ended_by(stopping: Event) -> Iterator[None]:
    """Have Refusal raised in what this greenlet waits for, when the server stops."""
    greenlet: Any = gevent.getcurrent()

    def stop(_event: object) -> None:
        greenlet.kill(Refusal(Code.PASSWORD_NEEDED, FAREWELL), block=False)

    stopping.rawlink(stop)
    try:
        yield
    finally:
        stopping.unlink(stop)


def _too_many(wait_s: float) -> Refusal:
    message = f"Too many wrong passwords from your address; {_next_try(wait_s)}"
    return Refusal(Code.TOO_MANY_TRIES, message, wait_s)


def _next_try(wait_s: float) -> str:
    return f"the next try is in {ceil(wait_s)} s"


def _digest(password: bytes) -> bytes:
    """Return what is compared: of the same length for all, so that the place of a difference tells nothing."""
    from hashlib import sha256  # noqa: PLC0415  # it loads OpenSSL

    text = unicodedata.normalize("NFC", password.decode("utf-8", "surrogateescape"))
    return sha256(text.encode("utf-8", "surrogateescape")).digest()


def load(path: str) -> bytes:
    """Return the digest of the password in a file; b"" for the path "". Raises StartError."""
    if not path:
        return b""
    try:
        found = read(path, MAX_PASSWORD_BYTES)
    except NotSecretFile as error:
        raise StartError(f"{path} is not a password file: {error}") from None
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno else str(error)
        raise StartError(f"cannot read the password file {path}: {reason}") from None
    if not found.data:
        raise StartError(f"the password file {path} is empty; write the password into it, in one line")
    if len(found.data) > MAX_PASSWORD_BYTES or any(byte < 0x20 or byte == 0x7F for byte in found.data):
        expected = f"one line that can be typed, of at most {MAX_PASSWORD_BYTES:,} bytes"
        raise StartError(f"{path} is not a password file: expected {expected}")
    if found.is_exposed:
        raise StartError(found.exposure("password"))
    return _digest(found.data)
