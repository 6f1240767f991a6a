"""The modes of a room: whom they let in, let speak and show the room, how they change, and how they are stored."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from gchat.chat import room_modes
from gchat.chat.masks import Cloaks
from gchat.chat.room_modes import MAX_KEPT_RANKS, MAX_LISTED, USUAL, Asking, Modes, changed, ranked, with_rank
from gchat.model.errors import Code, Refusal
from gchat.model.lookalikes import name_keys
from gchat.model.modes import LETTERS, MAX_LIMIT, Change, Takes, parse

CLOAKS = Cloaks(b"secret")


class Somebody(Struct):
    name: str

    @property
    def keys(self) -> frozenset[str]:
        return name_keys(self.name)


def asking(name: str = "mallory", rank: str = "", *, is_member: bool = False) -> Asking:
    return Asking(Somebody(name), lambda: CLOAKS.of("192.0.2.7"), rank, is_member)


def with_modes(*texts: str) -> Modes:
    """Return the modes after these changes."""
    modes = USUAL
    for text in texts:
        for change in parse(text):
            modes = changed(modes, change)
    return modes


def why_not(refusal: Refusal | None) -> str:
    return refusal.code.value if refusal else ""


def entering(modes: Modes, who: Asking, members: int = 3, key: str = "", *, is_invited: bool = False) -> str:
    return why_not(room_modes.may_enter("dev", modes, who, members, key, is_invited=is_invited))


MEMBER, VOICED, OPERATOR = asking(is_member=True), asking(rank="v", is_member=True), asking(rank="o", is_member=True)
OUTSIDER = asking()


# --- Entering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        ("+i", Code.INVITE_ONLY),
        ("+k KEY", Code.BAD_KEY),
        ("+l 3", Code.ROOM_FULL),
        ("+b mallory", Code.BANNED),
        ("+b *", Code.BANNED),
        (f"+b *@{CLOAKS.of('192.0.2.7')}", Code.BANNED),
        ("+mnst", ""),
    ],
)
def test_a_room_keeps_an_outsider_out(mode: str, why: str) -> None:
    modes = with_modes(mode)

    assert entering(modes, OUTSIDER) == why
    assert entering(modes, asking(rank="o")) == "", "an operator who comes back"


def test_who_is_let_in() -> None:
    assert entering(with_modes("+k KEY"), OUTSIDER, key="KEY") == ""
    assert entering(with_modes("+k KEY"), OUTSIDER, key="key") == Code.BAD_KEY
    assert entering(with_modes("+l 4"), OUTSIDER) == ""
    assert entering(with_modes("+i", "+I mallory"), OUTSIDER) == ""
    assert entering(with_modes("+i", "+I mallory"), asking("maIlory")) == Code.INVITE_ONLY
    assert entering(with_modes("+b *", "+e mal*"), OUTSIDER) == ""
    assert entering(with_modes("+b mallory"), asking("maIlory")) == Code.BANNED


def test_an_invitation_stands_for_the_key_and_for_a_place_but_lifts_no_ban() -> None:
    assert entering(with_modes("+ikl KEY 3"), OUTSIDER, is_invited=True) == ""
    assert entering(with_modes("+b mallory"), OUTSIDER, is_invited=True) == Code.BANNED


# --- Speaking, topics, invitations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "speaks"),
    [
        ("+n", {"member", "voiced", "operator"}),
        ("-n", {"outsider", "member", "voiced", "operator"}),
        ("+m", {"voiced", "operator"}),
        ("-n+m", {"voiced", "operator"}),
        ("+b mallory", {"voiced", "operator"}),
    ],
)
def test_who_may_speak(mode: str, speaks: set[str]) -> None:
    who = {"outsider": OUTSIDER, "member": MEMBER, "voiced": VOICED, "operator": OPERATOR}
    modes = with_modes(mode)

    assert {name for name, one in who.items() if not room_modes.may_speak("dev", modes, one)} == speaks


@pytest.mark.parametrize(
    ("mode", "sets"),
    [("+n", {"member", "voiced", "operator"}), ("+m", {"voiced", "operator"}), ("+t", {"operator"})],
)
def test_who_may_set_the_topic(mode: str, sets: set[str]) -> None:
    who = {"outsider": OUTSIDER, "member": MEMBER, "voiced": VOICED, "operator": OPERATOR}
    modes = with_modes("-n", mode)

    assert {name for name, one in who.items() if not room_modes.may_set_topic("dev", modes, one)} == sets


@pytest.mark.parametrize("mode", ["+i", "+k KEY", "+l 20"])
def test_only_operators_invite_into_a_room_that_is_not_open(mode: str) -> None:
    modes = with_modes(mode)

    assert room_modes.may_invite("dev", USUAL, MEMBER) is None
    assert why_not(room_modes.may_invite("dev", modes, MEMBER)) == Code.NOT_OPERATOR
    assert room_modes.may_invite("dev", modes, OPERATOR) is None
    assert why_not(room_modes.may_invite("dev", USUAL, OUTSIDER)) == Code.NOT_IN_ROOM


def test_only_operators_who_are_there_change_anything() -> None:
    assert why_not(room_modes.may_change("dev", MEMBER)) == Code.NOT_OPERATOR
    assert why_not(room_modes.may_change("dev", VOICED)) == Code.NOT_OPERATOR
    assert why_not(room_modes.may_change("dev", asking(rank="o"))) == Code.NOT_IN_ROOM
    assert room_modes.may_change("dev", OPERATOR) is None


def test_a_secret_room_is_seen_from_inside() -> None:
    assert room_modes.is_seen(USUAL, is_member=False)
    assert not room_modes.is_seen(with_modes("+s"), is_member=False)
    assert room_modes.is_seen(with_modes("+s"), is_member=True)


# --- Changes ---------------------------------------------------------------------------------------------------------


def test_what_is_shown_has_no_key() -> None:
    assert with_modes("+mk KEY", "+l 20", "+b bob").are_shown == "+klmn 20"
    assert with_modes("-n").are_shown == "+"


def test_a_list_is_full_at_its_limit() -> None:
    modes = with_modes(*[f"+b user{number}" for number in range(MAX_LISTED)])
    with pytest.raises(Refusal, match="The list is full: it has 64 masks; take one off with -b"):
        changed(modes, Change(True, "b", "more"))

    assert changed(modes, Change(True, "b", "USER7")) is modes, "it is there already"
    assert len(changed(modes, Change(False, "b", "user7")).bans) == MAX_LISTED - 1


def test_a_list_has_few_masks_that_have_to_be_compared() -> None:
    modes = with_modes(*[f"+b {letter}{'x' * 93}*" for letter in "abc"])
    with pytest.raises(Refusal, match=r"its masks with \* or \? in a name may have 300 characters together; .* -b"):
        changed(modes, Change(True, "b", "f*"))

    assert changed(modes, Change(True, "b", "f")).bans[-1] == "f!*@*"
    assert changed(modes, Change(True, "e", "f*")).exceptions == ("f*!*@*",)


def test_ranks_are_kept_of_so_many_users_the_newest() -> None:
    modes = USUAL
    for number in range(MAX_KEPT_RANKS + 1):
        modes = ranked(modes, f"{number:032x}", "o")

    assert len(modes.ranks) == MAX_KEPT_RANKS
    assert f"{0:032x}" not in modes.ranks
    assert ranked(modes, f"{1:032x}", "") != modes


def test_a_rank_has_its_letters_in_one_order() -> None:
    assert with_rank("v", Change(True, "o", "bob")) == "ov"
    assert with_rank("ov", Change(False, "o", "bob")) == "v"


# --- Stored ----------------------------------------------------------------------------------------------------------


def test_what_is_stored_is_read_back() -> None:
    modes = ranked(with_modes("+imk KEY", "+l 20", "+b bob", "+e *@x", "+I carol"), "0" * 32, "ov")

    assert msgspec.json.decode(msgspec.json.encode(modes), type=Modes) == modes
    assert msgspec.json.encode(USUAL) == b"{}"


@pytest.mark.parametrize(
    "note",
    [
        b'{"flags":"x"}',
        b'{"flags":"mi"}',
        b'{"key":7}',
        b'{"key":"' + b"x" * 33 + b'"}',
        b'{"limit":-1}',
        b'{"limit":1e9}',
        b'{"bans":["bob"]}',
        b'{"bans":["' + b"x" * 100 + b'!*@*"]}',
        b'{"bans":[' + b",".join([b'"a!b@c"'] * 65) + b"]}",
        b'{"ranks":{"bob":"o"}}',
        b'{"ranks":{"00000000000000000000000000000000":"q"}}',
        b'{"unknown":1}',
        b"[]",
        b"",
    ],
)
def test_a_note_that_no_change_could_have_made_is_refused(note: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(note, type=Modes)


# --- All changes, against a naive model -------------------------------------------------------------------------------

_NAMES = st.sampled_from(["mallory", "bob", "m*", "?ob", "*"])


@st.composite
def some_change(draw: st.DrawFn) -> Change:
    letter = draw(st.sampled_from([letter for letter in sorted(LETTERS) if letter not in "ov"]))
    adds = draw(st.booleans())
    match LETTERS[letter][0]:
        case Takes.KEY if adds:
            return Change(adds, letter, draw(st.sampled_from(["one", "two"])))
        case Takes.LIMIT if adds:
            return Change(adds, letter, str(draw(st.integers(1, 5))))
        case Takes.MASK:
            return Change(adds, letter, draw(_NAMES))
    return Change(adds, letter)


@settings(deadline=None)
@given(st.lists(some_change(), max_size=30), st.integers(0, 6), st.sampled_from(["", "one", "two"]), st.booleans())
def test_modes_are_what_the_last_change_of_each_says(
    changes: list[Change], members: int, key: str, invited: bool
) -> None:
    modes, last, argument = USUAL, {"n": True}, {"k": "", "l": "0"}
    for change in changes:
        modes = changed(modes, change)
        last[change.letter + (change.argument if change.takes is Takes.MASK else "")] = change.adds
        if change.takes in (Takes.KEY, Takes.LIMIT):
            argument[change.letter] = change.argument

    on = {name for name, is_on in last.items() if is_on and len(name) == 1}
    mine = {"mallory", "m*", "*"}
    banned = any(last.get(f"b{mask}") for mask in mine) and not any(last.get(f"e{mask}") for mask in mine)
    expected = ""
    if banned:
        expected = "banned"
    elif not invited:
        if "i" in on and not any(last.get(f"I{mask}") for mask in mine):
            expected = "invite_only"
        elif "k" in on and key != argument["k"]:
            expected = "bad_key"
        elif "l" in on and members >= int(argument["l"]):
            expected = "room_full"
    assert entering(modes, OUTSIDER, members, key, is_invited=invited) == expected
    assert modes.are_shown.partition(" ")[0] == "+" + "".join(sorted(on))
    assert msgspec.json.decode(msgspec.json.encode(modes), type=Modes) == modes
    assert 0 <= modes.limit <= MAX_LIMIT
