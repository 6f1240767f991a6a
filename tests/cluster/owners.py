"""An owner of a link, without a journal: what happened, in its order, is all it has; and that is its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.cluster.entries import Fed, packed, packed_step
from gchat.cluster.link import EngineLink
from gchat.journal.journal import Posting
from gchat.model.messages import Said
from tests.cluster.engines import EngineProcess, wait_until_in_loop


class Owner:
    """A node whose state is what happened, and what its link told it."""

    def __init__(self, engine: EngineProcess, name: str, url: str = "") -> None:
        self.link = EngineLink(UrlEngine(parsed(url or engine.url)), self, "test", name)
        self.happened: list[str] = []
        self.places: list[int] = []  # that were found
        self.carried_out: list[Any] = []
        self.refusals: list[tuple[Any, str]] = []
        self.unknown: list[Any] = []
        self.troubles: list[str] = []
        self.letters: list[bytes] = []

    def steps(self, *texts: str) -> None:
        """Put steps."""
        self.link.put([(packed_step(text.encode()), text) for text in texts])

    def says(self, *texts: str) -> None:
        """Put messages."""
        self.link.put([(packed(Posting("lobby", Said("alice", (text,)))), text) for text in texts])

    def keep(self) -> None:
        """Keep a checkpoint."""
        self.link.keep_checkpoint(self.link.heard, msgspec.msgpack.encode(self.happened))

    @property
    def gone(self) -> list[str]:
        """The nodes that are gone."""
        return [each.partition(" ")[2] for each in self.happened if each.startswith("gone ")]

    def arrived(self, told: Sequence[tuple[Fed, Any]]) -> None:
        """See LinkOwner.arrived."""
        for fed, cause in told:
            if fed.gone:
                self.happened.append(f"gone {fed.gone}")
            elif fed.step:
                self.happened.append(fed.step.decode())
            else:
                record = fed.outcome().record
                assert record is not None
                assert isinstance(record.message, Said)
                self.happened.append(record.message.texts[0])
            if cause is not None:
                assert cause == self.happened[-1]
                self.carried_out.append(cause)

    def find_place(self, base: str, ask: Callable[..., Any]) -> int:
        """See LinkOwner.find_place."""
        assert base == self.link.base
        assert ask("PING") == b"PONG"
        n, data = self.link.checkpoint() or (0, msgspec.msgpack.encode(()))
        self.happened = msgspec.msgpack.decode(data, type=list[str])
        self.places.append(n)
        return n

    def refused(self, cause: Any, why: str) -> None:
        """See LinkOwner.refused."""
        self.refusals.append((cause, why))

    def not_known(self, cause: Any) -> None:
        """See LinkOwner.not_known."""
        self.unknown.append(cause)

    def unable(self, why: str) -> None:
        """See LinkOwner.unable."""
        self.troubles.append(why)

    def letter(self, data: bytes) -> None:
        """See LinkOwner.letter."""
        self.letters.append(data)


def agreed(*owners: Owner, count: int) -> list[str]:
    """Wait until so much has happened on all nodes; return it, which is the same on all."""
    for owner in owners:
        wait_until_in_loop(lambda owner=owner: len(owner.happened) >= count, f"{owner.link.node} has {count}")  # type: ignore[misc]
        assert owner.happened == owners[0].happened
    return owners[0].happened


def started(engine: EngineProcess, end: ExitStack, *names: str) -> list[Owner]:
    """Return nodes whose links are up until the end."""
    owners = [Owner(engine, name) for name in names]
    for owner in owners:
        end.callback(owner.link.close)
        owner.link.start()
    return owners
