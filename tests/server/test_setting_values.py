"""Values of settings: what is taken for one, what is not, and how one is written."""

from __future__ import annotations

import tomllib
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from gchat.server.setting_values import converted, meta, shown, toml

PORT = Annotated[int, Meta(ge=0, le=65535)]
RATE = Annotated[float, Meta(ge=0)]
NAME = Annotated[str, Meta(min_length=1)]


@pytest.mark.parametrize(
    ("value", "hint", "found"),
    [
        ("8888", PORT, 8888),
        ("0", PORT, 0),
        ("0.5", RATE, 0.5),
        ("5", RATE, 5.0),
        ("true", bool, True),
        ("false", bool, False),
        ("sqlite", Literal["sqlite", "memory"], "sqlite"),
        ("é 😀", NAME, "é 😀"),
    ],
)
def test_a_text_becomes_the_type_of_its_setting(value: str, hint: Any, found: object) -> None:
    assert converted(value, hint, strict=False) == found
    assert type(converted(value, hint, strict=False)) is type(found)
    assert converted(found, hint, strict=True) == found


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ("65536", PORT, "a whole number from 0 to 65535"),
        ("-1", PORT, "a whole number from 0 to 65535"),
        ("1e3", PORT, "a whole number from 0 to 65535"),
        ("1_0", PORT, "a whole number from 0 to 65535"),
        (" 1", PORT, "a whole number from 0 to 65535"),
        ("", PORT, "a whole number from 0 to 65535"),
        ("inf", RATE, "a number not below 0, and finite"),
        ("nan", RATE, "a number not below 0"),
        ("-0.1", RATE, "a number not below 0"),
        ("", NAME, "a text that is not empty"),
        ("a\0b", NAME, "a text without the character NUL"),
        ("\udcff", NAME, "a text in UTF-8"),
        ("paper", Literal["sqlite", "memory"], '"memory"'),
    ],
)
def test_what_is_no_value_is_refused_with_what_was_expected(value: str, hint: Any, expected: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the text is looked at
        converted(value, hint, strict=False)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("value", "hint"), [("1", PORT), (True, PORT), (1.0, PORT), (1, NAME), ("true", bool), (1, bool)]
)
def test_in_a_file_a_value_has_its_type(value: object, hint: Any) -> None:
    with pytest.raises(ValueError, match=r"a |true or false"):
        converted(value, hint, strict=True)


def test_a_check_of_a_row_refuses_in_its_own_words() -> None:
    def is_even(value: int) -> None:
        if value % 2:
            raise ValueError("an even number")

    hint = Annotated[int, Meta(ge=0), Meta(extra={"check": is_even}, description="any")]
    assert converted("2", hint, strict=False) == 2
    with pytest.raises(ValueError, match=r"^an even number$"):
        converted("3", hint, strict=False)
    assert (meta(hint, "description"), meta(hint, "ge"), meta(hint, "title")) == ("any", 0, None)


@given(
    st.one_of(
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.booleans(),
        st.text().filter(lambda text: "\x7f" not in text),
    )
)
def test_what_is_written_is_read_as_the_same(value: object) -> None:
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return
    assert tomllib.loads(f"key = {toml(value)}")["key"] == value


def test_what_is_shown_fits_a_line_whatever_it_is() -> None:
    assert shown("x" * 5000) == f'"{"x" * 58}…'
    assert shown("x" * 58) == f'"{"x" * 58}"'
    assert len(shown(["a"] * 500)) == 60
    assert shown("\udcff\n") == '"?\\n"'
    assert (shown(3), shown(True), shown("a b")) == ("3", "true", '"a b"')
