"""Confusables: what each character looks like, and which script it is of, as the library tells."""

from __future__ import annotations

import sys
import threading

import pytest
from confusable_homoglyphs import categories, confusables

from gchat.model import lookalikes
from gchat.model.confusables import prototype, script


def test_the_script_of_every_character_is_the_one_that_the_library_tells() -> None:
    assert all(script(code) == categories.alias(chr(code)).upper() for code in range(0x30000))
    assert script(0x10FFFF) == "UNKNOWN"


def test_a_prototype_is_one_that_the_library_tells_and_there_are_thousands() -> None:
    likes: dict[str, set[str]] = {}
    for source, neighbours in confusables.confusables_data.items():
        shown = {str(each["c"]).strip("\u200e") for each in neighbours}
        likes.setdefault(source.strip("\u200e"), set()).update(shown)
    found = {char: like for char in map(chr, range(sys.maxunicode + 1)) if (like := prototype(char)) != char}
    assert len(found) >= 6000
    assert all(like in likes[char] for char, like in found.items())
    assert [prototype(char) for char in "\0aIm\U0010ffff"] == ["\0", "a", "l", "rn", "\U0010ffff"]


def test_a_name_that_comes_while_the_tables_are_loaded_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gchat.model.confusables")
    loading = threading.Thread(target=lookalikes.load_tables)
    loading.start()
    while "gchat.model.confusables" not in sys.modules:
        pass
    begun = sys.modules["gchat.model.confusables"]
    assert lookalikes.skeleton("paypaI") == "paypal"
    loading.join()
    assert sys.modules["gchat.model.confusables"] is begun
