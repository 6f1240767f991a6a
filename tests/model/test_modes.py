"""Changes of modes: what may be typed, how it is printed, and what a user is told who types something else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gchat.model.errors import Refusal
from gchat.model.modes import LETTERS, MAX_ARGUMENT, MAX_CHANGES, MAX_KEY, MAX_LIMIT, Change, Takes, parse, printed


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ("+m", [Change(True, "m")]),
        ("m", [Change(True, "m")]),
        ("-i", [Change(False, "i")]),
        ("+k KEY", [Change(True, "k", "KEY")]),
        ("-k", [Change(False, "k")]),
        ("+l 20", [Change(True, "l", "20")]),
        ("+l 0020", [Change(True, "l", "20")]),
        ("-l", [Change(False, "l")]),
        ("+b nick!*@*", [Change(True, "b", "nick!*@*")]),
        ("+b", [Change(True, "b")]),
        ("b", [Change(True, "b")]),
        ("+o alice", [Change(True, "o", "alice")]),
        ("+im-t+s", [Change(True, "i"), Change(True, "m"), Change(False, "t"), Change(True, "s")]),
        ("+klo-v KEY 20 alice bob", [
            Change(True, "k", "KEY"),
            Change(True, "l", "20"),
            Change(True, "o", "alice"),
            Change(False, "v", "bob"),
        ]),
    ],
)  # fmt: skip
def test_a_change_is_understood_and_printed_as_it_is_typed(typed: str, changes: list[Change]) -> None:
    assert list(parse(typed)) == changes
    assert list(parse(printed(changes))) == changes


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "Expected a change of modes such as +m"),
        ("+", "Expected a change of modes such as +m"),
        ("+x", "Unknown mode x; expected one of i (invite-only), "),
        ("+\x1b", r"Unknown mode \x1b; "),
        ("+k", "+k needs a key, as +k KEY"),
        ("+l", "+l needs a number, as +l 20"),
        ("+l 0", "from 1 to 100,000, and is 0"),
        ("+l 100001", "from 1 to 100,000"),
        ("+l ٣", "from 1 to 100,000"),
        ("+l " + "9" * 5000, "from 1 to 100,000"),
        ("-b", "-b needs a mask from the list, as +b shows it"),
        ("+o", "+o needs a name, as +o NAME"),
        ("-o", "-o needs a name"),
        ("+m KEY", "Nothing in +m needs the argument KEY"),
        ("+" + "im" * 5, f"Too many changes at once: 10, the limit is {MAX_CHANGES}"),
        ("+k " + "x" * (MAX_KEY + 1), "The key is too long: 33 characters, the limit is 32"),
        ("+b " + "x" * (MAX_ARGUMENT + 1), "The mask is too long: 101 characters, the limit is 100"),
        ("+k a\u202eb", "The key contains invisible characters"),
        ("+k \x1b[2J", "The key contains invisible characters"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(typed: str, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse(typed)

    assert why in refused.value.message
    assert len(refused.value.message.splitlines()) == 1


_WORDS = st.text(st.sampled_from("abcXYZ09!*?@-"), min_size=1, max_size=20)


@st.composite
def some_change(draw: st.DrawFn) -> Change:
    letter, adds = draw(st.sampled_from(sorted(LETTERS))), draw(st.booleans())
    match LETTERS[letter][0]:
        case Takes.KEY if adds:
            return Change(adds, letter, draw(_WORDS))
        case Takes.LIMIT if adds:
            return Change(adds, letter, str(draw(st.integers(1, MAX_LIMIT))))
        case Takes.MASK | Takes.NAME:
            return Change(adds, letter, draw(_WORDS))
    return Change(adds, letter)


@settings(deadline=None)
@given(st.lists(some_change(), min_size=1, max_size=MAX_CHANGES))
def test_what_is_printed_is_read_as_the_same_changes(changes: list[Change]) -> None:
    assert list(parse(printed(changes))) == changes


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_some_changes_or_is_refused(text: str) -> None:
    try:
        changes = parse(text)
    except Refusal as error:
        refusal: Refusal | None = error
    else:
        refusal = None
        assert 1 <= len(changes) <= MAX_CHANGES
    assert refusal is None or "\n" not in refusal.message
