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
from gchat.model.events import Acknowledged
from gchat.model.messages import Numbered

#: What is stored of a registry is in the checkpoint, and in the feed behind it, before anybody is told.
_STORED = (SaveSession, SaveAccount, SaveModes, SaveNote, SaveOperators, SavePenalties)

#: What is done once in the cluster.
_OF_ORIGIN = (Publish, Audited, CheckSecret)


def of_step(effects: Iterable[Effect], *, is_origin: bool) -> Iterator[Effect]:
    """Return what a node does of the effects of a step. What is for one session is done where its connection is.

    What is delivered from one user to another is delivered by all nodes taking the step, so nothing is waited for.
    """
    for effect in effects:
        if isinstance(effect, _STORED) or (not is_origin and isinstance(effect, _OF_ORIGIN)):
            continue
        if not isinstance(effect, Deliver) or effect.sender is None:
            yield effect
            continue
        if not effect.ignored:
            yield Deliver(effect.session, effect.answer, room=effect.room)
        if is_origin and effect.id:
            yield Deliver(effect.sender, Acknowledged((Numbered(effect.id),)))
        if is_origin and effect.receipt is not None:
            yield Deliver(effect.sender, effect.receipt)
