"""A node's link, tried on a real engine that is killed, stands still, or has forgotten everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import gevent
import pytest

from gchat.cluster import link as links
from gchat.cluster.engine import UrlEngine
from gchat.cluster.engine_url import parsed
from gchat.cluster.journal import SharedJournal
from gchat.cluster.link import EngineLink
from gchat.journal.journal import Arrival, Posting
from gchat.model.messages import Said
from tests.cluster.engines import EngineProcess, at_once, wait_until_in_loop

ROOM = "lobby"


class Node:
    """A node without users: what it says, what it shows, and what it was told."""

    def __init__(self, engine: EngineProcess, name: str) -> None:
        self.name = name
        self.journal = SharedJournal(1 << 24, at_once)
        self.link = self.journal.link = EngineLink(UrlEngine(parsed(engine.url)), self.journal, "test", name)
        self.journal.follow(self._arrived)
        self.link.start()
        self.journal.open([ROOM])
        self.said = 0
        self.shown: list[tuple[int, str]] = []
        self.acked: dict[str, int] = {}
        self.refused: set[str] = set()

    def says(self, count: int = 1) -> None:
        for _ in range(count):
            self.said += 1
            text = f"{self.name} {self.said}"
            self.journal.append([Posting(ROOM, Said(self.name, (text,), (str(self.said),)), self.name, text)], 0)

    def _arrived(self, arrivals: Sequence[Arrival]) -> None:
        for arrival in arrivals:
            record = arrival.outcome.record
            if record is not None and record.seq >= self.journal.next_seq(ROOM):
                assert record.seq == self.journal.next_seq(ROOM), "there is a hole"
                self.journal.accept(arrival)
                assert isinstance(record.message, Said)
                self.shown += [(record.seq + at, text) for at, text in enumerate(record.message.texts)]
            if arrival.cause is None or not arrival.is_known:
                continue
            assert isinstance(arrival.cause, str)
            if arrival.outcome.why_not:
                self.refused.add(arrival.cause)
            else:
                self.acked[arrival.cause] = arrival.outcome.numbers[0].seq or 0


@pytest.fixture
def nodes(engine: EngineProcess) -> Iterator[list[Node]]:
    with ExitStack() as end:
        made = [Node(engine, name) for name in ("alice", "bob")]
        for node in made:
            end.callback(node.link.close)
        yield made


def check(*nodes: Node) -> None:
    """Wait until all is answered; nothing is lost, doubled, in another order elsewhere, or said though refused."""
    for node in nodes:
        wait_until_in_loop(lambda node=node: not node.link.unanswered, f"{node.name} is answered")  # type: ignore[misc]
    most = max(len(node.shown) for node in nodes)
    for node in nodes:
        wait_until_in_loop(lambda node=node: len(node.shown) == most, f"{node.name} sees all")  # type: ignore[misc]
    assert all(node.shown == nodes[0].shown for node in nodes)
    shown = dict(nodes[0].shown)
    assert list(shown) == list(range(1, len(shown) + 1))
    texts = list(shown.values())
    assert len(set(texts)) == len(texts), "something was said twice"
    for node in nodes:
        assert all(shown[seq] == text for text, seq in node.acked.items())
        assert not node.refused.intersection(texts)
        assert len(node.acked) + len(node.refused) == node.said
        own = [text for text in texts if text.startswith(node.name)]
        assert own == sorted(own, key=lambda text: int(text.split()[1])), "in the order in which it was said"


def test_what_one_node_says_all_nodes_show_in_one_order(nodes: list[Node]) -> None:
    for _ in range(50):
        for node in nodes:
            node.says(3)
        gevent.sleep(0)
    check(*nodes)
    assert not any(node.refused for node in nodes)


def test_a_node_that_comes_later_has_what_was_said_and_goes_on_behind_it(
    engine: EngineProcess, nodes: list[Node]
) -> None:
    nodes[0].says(300)
    check(*nodes)
    late = Node(engine, "carol")
    try:
        assert late.journal.next_seq(ROOM) == 301
        assert [record.seq for record in late.journal.read(ROOM, 1, 5)] == [1, 2, 3, 4, 5]
        nodes[1].says()
        wait_until_in_loop(lambda: late.shown == [(301, "bob 1")])
    finally:
        late.link.close()


def test_an_engine_that_is_killed_again_and_again_loses_and_doubles_nothing(
    engine: EngineProcess, nodes: list[Node]
) -> None:
    for _ in range(4):
        for _ in range(40):
            for node in nodes:
                node.says()
            gevent.sleep(0.002)
        engine.kill()
        for node in nodes:
            node.says(5)
        gevent.sleep(0.1)
        engine.start()
        wait_until_in_loop(lambda: all(node.link.is_up.is_set() for node in nodes))
    check(*nodes)
    assert not any(node.refused for node in nodes)


def test_what_is_refused_while_the_engine_stands_still_is_never_said(
    engine: EngineProcess, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "ANSWER_S", 1.0)
    for node in nodes:
        node.says(10)
    check(*nodes)
    engine.stop()
    for _ in range(60):
        for node in nodes:
            node.says()
        gevent.sleep(0.05)
    wait_until_in_loop(lambda: all(node.journal.trouble for node in nodes), "both say that nothing can be stored")
    assert all(node.refused for node in nodes)
    engine.go_on()
    wait_until_in_loop(lambda: not any(node.journal.trouble for node in nodes), "both say that it can again")
    for node in nodes:
        node.says(10)
    check(*nodes)


def test_what_is_said_while_nothing_can_be_stored_is_refused_at_once_and_gathers_nowhere(
    engine: EngineProcess, nodes: list[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "ANSWER_S", 1000.0)
    alice, bob = nodes
    engine.kill()
    wait_until_in_loop(lambda: not alice.link.is_up.is_set(), "alice has noticed")
    alice.says(3)
    wait_until_in_loop(lambda: alice.journal.trouble, "alice says that nothing can be stored")
    wait_until_in_loop(lambda: len(alice.refused) == 3, "what waited for that is refused, too")
    alice.says(5)
    assert len(alice.refused) == 8
    assert not alice.link.unanswered
    engine.start()
    wait_until_in_loop(lambda: not alice.journal.trouble, "alice says that it can again")
    alice.says(2)
    check(alice, bob)


def test_when_the_clock_of_the_engine_is_set_forward_nothing_is_refused(nodes: list[Node]) -> None:
    for node in nodes:
        node.link._time._skew_s -= 3600  # as if it had been set by an hour since the last beat
        node.says(3)
    check(*nodes)
    assert not any(node.refused for node in nodes)


def test_a_node_without_an_engine_says_what_is_wrong(tmp_path: Path) -> None:
    journal = SharedJournal(1 << 20, at_once)
    journal.link = EngineLink(UrlEngine(parsed(f"unix://{tmp_path}/nothing")), journal, "test", "alice")
    with pytest.raises(Exception, match=r"unix://.*/nothing cannot be reached: no such file or directory"):
        journal.link.start()
