"""The effects of a step on one node of a cluster: what each node does, and what only the origin does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gchat.chat.effects import (
    Audited,
    CheckSecret,
    Deliver,
    Effect,
    Publish,
    SaveAccount,
    SaveModes,
    SaveNote,
    SaveOperators,
    SavePenalties,
    SaveSession,
)

#: What is stored of a registry is in the checkpoint, and in the feed behind it, before anybody is told.
_STORED = (SaveSession, SaveAccount, SaveModes, SaveNote, SaveOperators, SavePenalties)

#: What is done once in the cluster.
_OF_ORIGIN = (Publish, Audited, CheckSecret)


def of_step(effects: Iterable[Effect], *, is_origin: bool) -> Iterator[Effect]:
    """Return what a node does of the effects of a step. What is for one session is done where its connection is.

    What is delivered from one user to another is so by the origin, because it knows whether its id is new.
    """
    for effect in effects:
        is_of_origin = isinstance(effect, _OF_ORIGIN) or (isinstance(effect, Deliver) and effect.sender is not None)
        if not isinstance(effect, _STORED) and (is_origin or not is_of_origin):
            yield effect
