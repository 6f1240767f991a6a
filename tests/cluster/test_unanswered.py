"""What a node put is told of exactly once: it comes by the feed, is refused, or will not be known."""

from __future__ import annotations

from gchat.cluster.unanswered import MAX_BYTES, MAX_ITEMS, Unanswered


def putting(*causes: str, now: float = 0) -> Unanswered:
    unanswered = Unanswered()
    unanswered.put([(cause.encode(), cause) for cause in causes], now)
    return unanswered


def send(unanswered: Unanswered) -> list[str]:
    return [item.cause for item in unanswered.send()[1]]


def test_what_was_put_is_sent_in_its_order_and_counts_until_it_is_settled() -> None:
    unanswered = putting("a", "b")

    batch, items = unanswered.send()

    assert [item.cause for item in items] == ["a", "b"]
    assert len(unanswered) == 2
    assert not unanswered.has_waiting
    assert unanswered.settled(batch) == items
    assert unanswered.settled(batch) == []
    assert len(unanswered) == 0


def test_a_batch_has_a_number_of_items_at_most() -> None:
    unanswered = putting(*map(str, range(MAX_ITEMS + 1)))

    assert len(send(unanswered)) == MAX_ITEMS
    assert len(send(unanswered)) == 1


def test_a_batch_has_a_size_at_most_and_one_item_that_is_larger_goes_alone() -> None:
    unanswered = Unanswered()
    unanswered.put([(bytes(size), size) for size in (1, MAX_BYTES - 1, 1, MAX_BYTES + 5, 2)], 0)

    assert [[item.cause for item in unanswered.send()[1]] for _ in range(4)] == [
        [1, MAX_BYTES - 1],
        [1],
        [MAX_BYTES + 5],
        [2],
    ]


def test_what_was_not_carried_out_is_sent_again_before_what_waits() -> None:
    unanswered = Unanswered()
    for cause in "abc":
        unanswered.put([(b"", cause)], 0)
        unanswered.send()
    unanswered.put([(b"", "d")], 0)

    unanswered.send_again(applied=1)

    assert send(unanswered) == ["b", "c", "d"]
    assert unanswered.last_batch == 4
    assert [item.cause for item in unanswered.settled(1)] == ["a"]


def test_only_what_was_not_sent_is_late() -> None:
    unanswered = putting("sent", now=1)
    unanswered.send()
    unanswered.put([(b"", "old"), (b"", "older")], 1)
    unanswered.put([(b"", "new")], 2)

    assert [item.cause for item in unanswered.late(2)] == ["old", "older"]
    assert send(unanswered) == ["new"]


def test_what_was_sent_is_said_to_be_unknown_once_and_may_be_known_later() -> None:
    unanswered = putting("a", now=1)
    batch, _ = unanswered.send()

    assert not unanswered.not_known(1)
    assert [item.cause for item in unanswered.not_known(2)] == ["a"]
    assert not unanswered.not_known(3)
    assert [item.cause for item in unanswered.settled(batch)] == ["a"]


def test_what_is_never_heard_is_forgotten_with_what_was_said_of_it() -> None:
    unanswered = putting("a", now=1)
    unanswered.send()
    unanswered.not_known(2)
    for cause in "bc":
        unanswered.put([(b"", cause)], 2)
        unanswered.send()

    assert [(item.cause, item.is_unknown) for item in unanswered.forget(2)] == [("a", True), ("b", False)]
    assert len(unanswered) == 1


def test_the_oldest_is_what_the_owner_waits_for_longest() -> None:
    unanswered = Unanswered()
    assert unanswered.oldest == 0

    unanswered.put([(b"", "a")], 1)
    first, _ = unanswered.send()
    unanswered.put([(b"", "b")], 2)
    unanswered.send()
    unanswered.put([(b"", "c")], 3)
    assert unanswered.oldest == 1

    unanswered.not_known(2)
    assert unanswered.oldest == 2, "nobody waits any more for what was said to be unknown"
    unanswered.not_known(3)
    assert unanswered.oldest == 3, "what was not sent"
    unanswered.send_again(first)
    assert unanswered.oldest == 2, "what is sent again is as old as it is"
