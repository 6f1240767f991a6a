"""JSON in which nothing is as it should be."""

from __future__ import annotations

from gchat.hooks.loose_json import MAX_ITEMS, MAX_TEXT, at, count, objects, text


def test_what_is_there_is_found() -> None:
    value = {"a": {"b": " x ", "n": 3, "f": 1.5}, "l": [{"c": 1}, 2, None]}
    assert text(value, "a", "b") == "x"
    assert text(value, "a", "n") == "3"
    assert text(value, "a", "f") == "1.5"
    assert objects(value, "l") == [{"c": 1}]
    assert at(value, "a", "n") == 3


def test_what_is_not_there_is_nothing() -> None:
    nothing: list[object] = [None, 3, "x", [], {}, {"a": None}, {"a": []}, {"a": True}]
    for value in nothing:
        assert text(value, "a", "b") == ""
        assert objects(value, "a") == []
        assert at(value, "a", "b", "c") is None
    assert text({"a": True}, "a") == ""


def test_what_is_huge_is_looked_at_in_part() -> None:
    assert len(text({"a": "x" * 10**6}, "a")) == MAX_TEXT
    assert len(objects({"a": [{}] * 10**5}, "a")) == MAX_ITEMS
    assert count({"a": [{}] * 10**5}, "a") == 10**5
    assert count({"a": {}}, "a") == 0
