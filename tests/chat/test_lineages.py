"""Lineages: which session a token takes over, and what is stored of it."""

from __future__ import annotations

from gchat.chat.effects import SavedSession, SaveSession
from gchat.chat.lineages import Lineages
from gchat.chat.room import Room
from gchat.chat.session import Session


def session(number: int, token: str = "") -> Session:
    found = Session(number, f"127.0.0.1:{number}")
    found.enter(Room("dev"))
    if token:
        found.own(token)
    return found


def test_of_the_sessions_of_one_token_the_newest_is_taken_over() -> None:
    lineages, old, new, other = Lineages(), session(1, "t"), session(2, "t"), session(3, "u")
    for each in (old, new, other):
        lineages.add(each)
    assert old.lineage == new.lineage != other.lineage
    assert "t" not in (old.lineage, new.lineage)
    assert (lineages.newest(old.lineage), lineages.newest(other.lineage)) == (new, other)
    assert [each in lineages for each in (old, new, other)] == [False, True, True]


def test_an_older_session_ends_without_taking_the_newer_one_with_it() -> None:
    lineages, old, new = Lineages(), session(1, "t"), session(2, "t")
    lineages.add(old)
    lineages.add(new)
    assert lineages.saved(old) == lineages.dropped(old) == []
    lineages.discard(old)
    assert lineages.newest(new.lineage) is new


def test_where_a_user_is_and_that_a_user_has_left_is_stored_by_lineage() -> None:
    lineages, alice = Lineages(), session(1, "t")
    alice.name, alice.has_nick = "alice", True
    lineages.add(alice)
    assert lineages.saved(alice) == [SaveSession(alice.lineage, SavedSession("alice", True, rooms=("dev",)))]
    assert lineages.dropped(alice) == [SaveSession(alice.lineage, None)]
    assert lineages.newest(alice.lineage) is None
    assert lineages.saved(alice) == lineages.dropped(alice) == []


def test_a_session_without_a_token_is_no_lineage() -> None:
    lineages, plain = Lineages(), session(1)
    assert plain not in lineages
    assert lineages.saved(plain) == lineages.dropped(plain) == []


def test_what_is_cleared_is_told_to_nobody_and_the_next_run_knows_what_it_was_told() -> None:
    lineages, alice = Lineages(), session(1, "t")
    lineages.add(alice)
    lineages.clear()
    assert lineages.newest(alice.lineage) is None
    assert lineages.dropped(alice) == []


def test_who_leaves_is_taken_over_by_no_login_although_another_session_has_the_token_now() -> None:
    lineages, old, new = Lineages(), session(1, "t"), session(2, "t")
    old.account, old.account_lineage = "alice", "a" * 32
    lineages.add(old)
    lineages.add(new)

    assert lineages.dropped(old) == []
    assert lineages.newest(old.account_lineage) is None
    assert lineages.newest(new.lineage) is new


def test_what_is_restored_is_what_there_was() -> None:
    lineages, again, old, new = Lineages(), Lineages(), session(1, "t"), session(2, "t")
    old.account, old.account_lineage = "alice", "a" * 32
    lineages.add(old)
    lineages.add(new)
    again.add(session(3, "u"))

    again.restore((each, *lineages.leads(each)) for each in (old, new))
    assert again._newest == lineages._newest
