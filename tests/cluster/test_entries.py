"""What goes to the engine and comes from its feed, as bytes and as values."""

from __future__ import annotations

import msgspec
import pytest

from gchat.cluster.entries import Fed, entry, packed, packed_step
from gchat.journal.journal import Posting
from gchat.model.messages import Said


def record(kind: str, seq: int = 1 << 40, ms: int = 1 << 41) -> bytes:
    return msgspec.msgpack.encode((seq, ms, kind, "topic", ("topic",), ()))


def test_an_entry_has_its_items_in_their_order() -> None:
    said, ids = record("said"), b"ids"
    fields = [b"alice-00001", b"7", b"dev\0003", said, b"\1", ids, b"\2", b"a step", b"dev\0004", said, b"\3", b"bob-2"]
    fields += [b"\4", b"dev"]

    found = entry(b"12-3", fields)

    assert (found.number, found.id, found.node, found.batch) == (12, b"12-3", "alice-00001", 7)
    assert found.items == (
        Fed("dev", 3, said, ids, term=3),
        Fed(step=b"a step"),
        Fed("dev", 4, said, term=3),
        Fed(gone="bob-2"),
        Fed(rebased="dev", term=3),
    )


def test_a_step_may_have_any_bytes_in_it() -> None:
    for step in (b"\1", b"\2\3", b"\0\0", bytes(range(256))):
        assert entry(b"1-1", [b"a", b"1", b"\2", step]).items == (Fed(step=step),)


def test_a_step_is_no_message() -> None:
    message = packed(Posting("dev", Said("alice", ("hi",))))

    assert packed_step(message)[:1] != message[:1]
    assert packed_step(message)[1:] == message


@pytest.mark.parametrize("seq", [1, 127, 200, 70_000, 1 << 33])
def test_that_a_topic_is_set_is_seen_without_decoding(seq: int) -> None:
    assert Fed("dev", seq, record("topic", seq)).sets_topic
    assert not Fed("dev", seq, record("said", seq)).sets_topic
    assert not Fed(step=b"x").sets_topic
