"""What a person is asked for a command with a secret in it: in which order, how often, and what comes of it."""

from __future__ import annotations

import pytest

from gchat.client.secret_dialogue import NEVER_MIND, UNLIKE, SecretDialogue
from gchat.model.commands import Login, Passwd, Proving, Register, Unregister


def dialogue(command: Proving, *, is_private: bool = True, keep_in: str = "") -> SecretDialogue:
    return SecretDialogue(command, "alice", is_private=is_private, keep_in=keep_in)


def asked(talk: SecretDialogue, *answers: str) -> list[tuple[str, bool]]:
    """Answer one question after the other; return each, and whether its answer was hidden."""
    found = []
    for answer in answers:
        found.append((talk.prompt, talk.is_hidden))
        talk.take(answer)
    assert talk.is_over
    return found


def test_a_login_asks_for_the_secret_unseen() -> None:
    talk = dialogue(Login("alice"))
    assert asked(talk, "hunter2") == [("The secret of alice: ", True)]
    assert (talk.command, talk.told, talk.keeps) == (Login("alice", "hunter2"), "", False)


def test_what_is_there_already_is_not_asked_for() -> None:
    assert dialogue(Login("alice", "hunter2")).is_over
    assert dialogue(Passwd("old", "new")).is_over


def test_a_new_secret_is_asked_for_twice() -> None:
    talk = dialogue(Register())
    assert [hidden for _, hidden in asked(talk, "hunter2", "hunter2")] == [True, True]
    assert talk.command == Register(secret="hunter2")
    talk = dialogue(Register())
    asked(talk, "hunter2", "hunter3")
    assert (talk.command, talk.told) == (Register(), UNLIKE)


def test_a_change_asks_for_the_old_one_and_twice_for_the_new_one() -> None:
    talk = dialogue(Passwd())
    assert len(asked(talk, "old", "new", "new")) == 3
    assert talk.command == Passwd("old", "new")


@pytest.mark.parametrize(("answer", "keeps"), [("y", True), ("Yes", True), ("n", False), ("", False), ("no", False)])
def test_whether_to_keep_it_is_asked_last_and_answered_where_all_see_it(answer: str, keeps: bool) -> None:
    talk = dialogue(Login("alice"), keep_in="~/state")
    assert asked(talk, "hunter2", answer)[-1] == ("Keep it in ~/state? (y/n) ", False)
    assert talk.keeps is keeps


def test_what_is_given_up_is_not_kept() -> None:
    talk = dialogue(Unregister(), keep_in="~/state")
    assert len(asked(talk, "hunter2")) == 1


@pytest.mark.parametrize("answers", [("",), ("  ",)])
def test_nothing_typed_is_never_mind(answers: tuple[str, ...]) -> None:
    talk = dialogue(Login("alice"))
    asked(talk, *answers)
    assert talk.told == NEVER_MIND


def test_where_others_can_read_along_that_is_asked_first() -> None:
    talk = dialogue(Login("alice"), is_private=False)
    assert "--tls" in talk.prompt
    assert not talk.is_hidden
    asked(talk, "n")
    assert talk.told == NEVER_MIND
    talk = dialogue(Login("alice", "hunter2"), is_private=False)
    asked(talk, "y")
    assert (talk.told, talk.command) == ("", Login("alice", "hunter2"))


def test_it_can_be_left_at_any_time() -> None:
    talk = dialogue(Register())
    talk.take("hunter2")
    talk.cancel()
    assert (talk.is_over, talk.told, talk.command) == (True, NEVER_MIND, Register())
