"""The table of threats: each has its number once, and a test that is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TOP = Path(__file__).parent.parent
THREATS, _, TRIED = (TOP / "docs" / "threats.md").read_text().partition("## Which test tries it")

#: Threats of what is built that must have a named test.
WITH_TEST = {*range(1, 27), 32, 33, *range(35, 42)}


def tried() -> dict[int, list[str]]:
    """Return the tests that the table names for each threat."""
    rows = re.findall(r"^\| T(\d+) \| (.*) \|$", TRIED, re.MULTILINE)
    assert len(rows) == len(dict(rows))
    return {int(number): re.findall(r"`([^`]+)`", tests) for number, tests in rows}


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in a file."""
    tree = ast.parse((TOP / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_a_number_is_given_once() -> None:
    numbers = [int(number) for number in re.findall(r"^\| T(\d+) \|", THREATS, re.MULTILINE)]
    assert sorted(set(numbers)) == numbers


def test_each_threat_of_what_is_built_has_a_test() -> None:
    assert set(tried()) >= WITH_TEST
    assert all(tests for tests in tried().values())


def test_each_test_that_the_table_names_is_there() -> None:
    for path, _, name in (test.partition("::") for tests in tried().values() for test in tests):
        assert name.startswith("test_")
        assert name in names_in(path), f"{path}::{name}"
