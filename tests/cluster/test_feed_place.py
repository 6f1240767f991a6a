"""The place of a node in the feed: what of it had been heard before, where the engine has lost or dropped some."""

from __future__ import annotations

from typing import Any

from gchat.cluster.entries import Entry
from gchat.cluster.feed_place import FeedPlace


class Feed:
    """The entries that an engine has, by number: their terms."""

    def __init__(self, *terms: int) -> None:
        self.terms = dict(enumerate(terms, 1))

    def ask(self, command: str, key: str, first: Any, last: Any, *_count: Any) -> list[Any]:
        """Answer an XRANGE of one number, or for the first entry."""
        assert (command, key) == ("XRANGE", "feed")
        number = min(self.terms, default=0) if first == "-" else first
        assert last in ("+", number)
        return [[f"{number}-{self.terms[number]}".encode(), []]] if number in self.terms else []


def placed(feed: Feed, *, until: int, base: str = "base", at: int = 0) -> FeedPlace:
    """Return the place of a node that was placed, and has heard up to an entry."""
    place = FeedPlace()
    place.known(base, feed.ask, "feed")
    place.find(base, at, feed.ask("XRANGE", "feed", at, at))
    hear(place, feed, until)
    return place


def hear(place: FeedPlace, feed: Feed, until: int) -> None:
    """Have a node hear up to an entry."""
    for number in range(place.number + 1, until + 1):
        term = feed.terms[number]
        place.hear(Entry(number, f"{number}-{term}".encode(), "", 0, (), term))


def test_a_node_that_has_heard_nothing_knows_nothing() -> None:
    assert FeedPlace().known("base", Feed().ask, "feed") == 0
    assert FeedPlace().known("base", Feed(1, 1).ask, "feed") == 0


def test_all_that_was_heard_is_known_also_after_it_is_heard_again_from_a_checkpoint_on() -> None:
    feed = Feed(1, 1, 2, 2)
    place = placed(feed, until=4)
    assert place.known("base", feed.ask, "feed") == 4
    place.find("base", 1, feed.ask("XRANGE", "feed", 1, 1))
    hear(place, feed, 2)
    assert (place.number, place.known("base", feed.ask, "feed")) == (2, 4)


def test_what_the_engine_has_lost_is_not_known_although_there_is_as_much_again() -> None:
    feed = Feed(1, 1, 1, 1)
    place = placed(feed, until=4)
    feed = Feed(1, 1, 2, 2, 2, 2)
    assert place.known("base", feed.ask, "feed") == 2
    place.find("base", 2, feed.ask("XRANGE", "feed", 2, 2))
    hear(place, feed, 5)
    assert place.known("base", feed.ask, "feed") == 5
    assert place.known("base", Feed().ask, "feed") == 0


def test_what_was_dropped_because_it_is_old_is_still_known() -> None:
    feed = Feed(1, 1, 1, 2, 2)
    place = placed(feed, until=3)
    for number in (1, 2, 3):
        del feed.terms[number]
    assert place.known("base", feed.ask, "feed") == 3
    place.find("base", 5, feed.ask("XRANGE", "feed", 5, 5))
    assert place.known("base", feed.ask, "feed") == 5


def test_another_history_is_not_known() -> None:
    place = placed(Feed(1, 1), until=2)
    assert place.known("other", Feed(1, 1).ask, "feed") == 0


def test_an_entry_of_which_an_unknown_part_was_taken_is_not_known() -> None:
    feed = Feed(1, 1, 1)
    place = placed(feed, until=3)
    place.doubt()
    assert (place.base, place.number) == ("", 2)
    assert place.known("base", feed.ask, "feed") == 2
