"""Private messages to users of other nodes: shown there, and the sender is told what became of them."""

from __future__ import annotations

from typing import Any

import gevent
import msgspec
import pytest

from gchat.chat.effects import Deliver
from gchat.model.errors import Code
from gchat.model.events import Told
from gchat.server import letters
from gchat.server.publication import Conveyed, Handed
from tests.server.fake_feed import Feed, Node

TOLD = Told("alice", "psst", 1.0)


class Two:
    """Two nodes with a user each, and letters that a test carries."""

    def __init__(self) -> None:
        feed = Feed()
        self.one, self.two = feed.join("one"), feed.join("two")
        self.alice, self.bob = self.one.connects("alice", 1), self.two.connects("bob", 2)
        self.one.carried_out.clear()
        self.two.carried_out.clear()

    def tells(self, **fields: Any) -> bool:
        """Have alice tell bob something."""
        effect = Deliver(self.bob.id, TOLD, self.alice.id, "1", **fields)
        is_forwarded = self.one.sharing.letters.forward(effect)
        gevent.sleep(0)
        return is_forwarded

    def carry(self, sender: Node, reader: Node) -> None:
        """Carry all letters from one node to the other."""
        while sender.letters:
            to, data = sender.letters.pop(0)
            assert to == reader.node
            reader.sharing.letter(data)


@pytest.fixture
def both() -> Two:
    return Two()


@pytest.mark.parametrize("why_not", [None, (Code.NOT_READING, "Not sent: bob is not reading")])
def test_the_sender_is_told_what_became_of_a_letter(both: Two, why_not: tuple[Code, str] | None) -> None:
    assert both.tells()
    both.carry(both.one, both.two)
    (handed,) = both.two.did(Handed)
    assert (handed.effect.session, handed.effect.answer) == (both.bob.id, TOLD)
    assert handed.effect.seat is both.two.registry.sessions[both.alice.id].seat
    handed.tell(why_not)
    gevent.sleep(0)
    both.carry(both.two, both.one)
    gevent.sleep(0)
    (conveyed,) = both.one.did(Conveyed)
    assert (conveyed.why_not, conveyed.is_known) == (why_not, True)


def test_a_letter_whose_receipt_was_lost_is_shown_once_when_it_is_sent_again(both: Two) -> None:
    for times_shown in (1, 0):
        assert both.tells()
        both.carry(both.one, both.two)
        handed = both.two.did(Handed)
        assert len(handed) == times_shown
        for each in handed:
            each.tell(None)
        gevent.sleep(0)
    both.carry(both.two, both.one)
    gevent.sleep(0)
    assert [conveyed.why_not for conveyed in both.one.did(Conveyed)] == [None, None]


def test_letters_of_two_senders_who_have_left_are_two_although_they_have_one_id(both: Two) -> None:
    assert both.tells()
    ((_, data),) = both.one.letters
    letter = letters._decode(data)
    for left in (12345, 12346):
        both.two.sharing.letter(letters._encode(msgspec.structs.replace(letter, sender=left)))
        (handed,) = both.two.did(Handed)
        handed.tell(None)


def test_a_letter_that_could_not_be_shown_is_handed_over_again(both: Two) -> None:
    for _ in range(2):
        assert both.tells()
        both.carry(both.one, both.two)
        (handed,) = both.two.did(Handed)
        handed.tell((Code.NOT_READING, "Not sent: bob is not reading"))


@pytest.mark.parametrize("is_ignored", [True, False])
def test_whether_its_reader_ignores_its_sender_is_seen_where_a_letter_arrives(both: Two, *, is_ignored: bool) -> None:
    if is_ignored:
        both.two.registry.ignorers.ignore(both.two.registry.sessions[both.bob.id], "alice")
    assert both.tells(ignored=not is_ignored)  # what the sender's node has heard until then
    both.carry(both.one, both.two)
    (handed,) = both.two.did(Handed)
    assert handed.effect.ignored == is_ignored


def test_what_a_node_does_not_answer_is_not_known(both: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "ANSWER_S", 0.01)
    assert both.tells()
    gevent.sleep(0.05)
    (conveyed,) = both.one.did(Conveyed)
    assert not conveyed.is_known
    assert not both.one.sharing.letters._under_way


def test_a_node_that_is_not_there_gets_no_letter(both: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both.one, "send", lambda _node, _data: False)
    assert both.tells()
    (conveyed,) = both.one.did(Conveyed)
    assert conveyed.why_not == (Code.NO_SUCH_USER, "Not sent: the recipient has just lost the connection")


def test_users_of_this_node_and_users_who_have_left_get_none(both: Two) -> None:
    for reader in (both.alice.id, 12345):
        assert not both.one.sharing.letters.forward(Deliver(reader, TOLD, both.alice.id))
    assert both.one.sharing.letters.name_of(both.bob.id) == "bob"
    assert both.one.sharing.letters.name_of(12345) == ""


@pytest.mark.parametrize("data", [b"", b"\xc1", msgspec.msgpack.encode(["Nothing", 1])])
def test_a_letter_that_cannot_be_read_is_logged(both: Two, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    both.one.sharing.letter(data)
    assert "a letter from another node cannot be read" in caplog.text
    both.one.sharing.letter(msgspec.msgpack.encode(letters.Receipt(99, None)))  # of a letter that is over


def test_a_letter_comes_behind_what_its_sender_had_heard(both: Two) -> None:
    assert both.tells()
    ((to, data),) = both.one.letters
    letter = letters._decode(data)
    both.two.sharing.letter(letters._encode(msgspec.structs.replace(letter, heard=both.two.heard + 1)))
    assert not both.two.did(Handed)
    both.two.heard += 1
    gevent.sleep(0.05)
    assert to == both.two.node
    assert len(both.two.did(Handed)) == 1
