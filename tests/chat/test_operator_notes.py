"""Notes of operators that the core keeps and does not read."""

from __future__ import annotations

import pytest

from gchat.chat.checkpoint import packed, restore, taken, unpacked
from gchat.chat.effects import SaveNote
from gchat.chat.limits import Limits
from gchat.chat.operator_notes import OperatorNotes
from gchat.chat.order_steps import KeepNote
from gchat.chat.registry import Registry
from gchat.model.errors import Code, Refusal


def test_a_note_is_made_once_and_deleted_once() -> None:
    notes = OperatorNotes()
    notes.put("hook", "1", b"a")

    with pytest.raises(Refusal) as refused:
        notes.put("hook", "1", b"b")
    assert refused.value.code is Code.NAME_TAKEN
    assert notes.notes("hook") == {"1": b"a"}
    notes.put("token", "1", b"another kind")
    notes.put("hook", "1", b"")
    with pytest.raises(Refusal, match="no hook 1 any more"):
        notes.put("hook", "1", b"")
    assert notes.all() == {"hook": {}, "token": {"1": b"another kind"}}


def test_what_is_made_of_notes_is_made_anew_when_they_change_and_only_then() -> None:
    notes = OperatorNotes()
    seen = notes.changes
    notes.put("hook", "1", b"a")
    assert notes.changes != seen
    seen = notes.changes
    with pytest.raises(Refusal):
        notes.put("hook", "1", b"b")
    assert notes.changes == seen
    notes.restore({})
    assert notes.changes != seen


def test_a_step_keeps_a_note_and_a_checkpoint_has_it() -> None:
    registry, other = Registry(Limits()), Registry(Limits())
    _, effects = KeepNote("hook", "7", b"secret").take(registry)
    assert effects == [SaveNote("hook", "7", b"secret")]
    assert "secret" not in repr(KeepNote("hook", "7", b"secret"))

    other.notes.put("hook", "8", b"of before")
    restore(other, unpacked(packed(taken(registry))))

    assert other.notes.all() == {"hook": {"7": b"secret"}}
    assert taken(other) == taken(registry)
