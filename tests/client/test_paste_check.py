"""Lines typed and pasted on a terminal that only prints."""

from __future__ import annotations

from gchat.client.paste_check import NOT_SENT, PasteCheck
from gchat.dialects.rich_requests import SayRequest, TellRequest, WhoRequest


def test_a_line_by_itself_is_what_it_is() -> None:
    typed = PasteCheck()

    assert typed.take("hello", "", is_last=True) == ([SayRequest(text="hello")], "")
    assert typed.take("/who", "", is_last=True) == ([WhoRequest()], "")


def test_lines_behind_a_private_message_ask_and_are_private() -> None:
    typed = PasteCheck()

    assert typed.take("/msg ear secret1", "", is_last=False) == ([], "")
    assert typed.take("secret2", "", is_last=True) == ([], "Send 2 lines with /msg ear? (y/n)")
    told = [TellRequest(to="ear", text="secret1"), TellRequest(to="ear", text="secret2")]
    assert typed.take("y", "", is_last=True) == (told, "")


def test_any_other_answer_sends_nothing() -> None:
    typed = PasteCheck()
    typed.take("/msg ear secret1", "", is_last=False)
    typed.take("secret2", "", is_last=True)

    assert typed.take("what?", "", is_last=True) == ([], NOT_SENT)
    assert typed.take("hello", "", is_last=True) == ([SayRequest(text="hello")], "")


def test_the_end_of_stdin_answers_nothing() -> None:
    typed = PasteCheck()
    typed.take("/msg ear secret1", "", is_last=False)
    typed.take("secret2", "", is_last=False)

    assert typed.end("") == ([], NOT_SENT)
    typed.take("last", "", is_last=False)
    assert typed.end("") == ([SayRequest(text="last")], "")
    assert typed.end("") == ([], "")
