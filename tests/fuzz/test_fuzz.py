"""What no input may break, tried with those that are known, and with new ones of Hypothesis and of Atheris."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.seeds import CORPUS, seeds, words
from tests.fuzz.targets import TARGETS, most_bytes

TOP = Path(__file__).parents[2]

#: Inputs of a short run of Atheris.
RUNS = 300

each_target = pytest.mark.parametrize("target", TARGETS)


def inputs(target: str) -> st.SearchStrategy[bytes]:
    """Return words, seeds and any bytes, one behind the other."""
    most = most_bytes(target)
    known = [seed for seed in seeds(target) if len(seed) <= most]
    part = st.sampled_from(words(target)) | st.sampled_from(known) | st.binary(max_size=6)
    return st.lists(part, max_size=8).map(b"".join).map(lambda data: data[:most])


@each_target
def test_what_was_found_once_is_not_found_again(target: str) -> None:
    assert list((CORPUS / target).iterdir())
    for seed in seeds(target):
        TARGETS[target](seed[: most_bytes(target)])


@each_target
def test_no_input_breaks_what_must_hold(target: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(inputs(target))
    def try_(data: bytes) -> None:
        TARGETS[target](data)

    try_()


@each_target
def test_a_short_run_of_atheris_finds_nothing(target: str) -> None:
    if find_spec("atheris") is None:
        pytest.skip("Atheris is not installed; pip install atheris, if there is one for this Python and this machine")
    command = [sys.executable, "-m", "tests.fuzz", target, "--runs", str(RUNS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TOP)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^Done \d+ ", done.stderr, re.MULTILINE), done.stderr


def test_a_fault_is_found() -> None:
    def fault(data: bytes) -> None:
        assert b"\x15" not in data

    with pytest.raises(AssertionError):
        settings(max_examples=1000, deadline=None, database=None)(given(inputs("framing"))(fault))()


def test_every_target_has_its_words_and_its_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert all(words(target) for target in TARGETS)
