"""The oracle finds each anomaly, and none where there is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.torture import oracle
from tests.torture.oracle import Findings, Kind, Said, View, text_of

ROOM = "room"


def texts(*numbers: int, sender: int = 0) -> list[str]:
    return [text_of(sender, number) for number in numbers]


def said(*seqs: int, sender: int = 0) -> Said:
    """Return the log of a sender whose messages, from 1 on, had these last words."""
    log = Said(sender, ROOM)
    for number, seq in enumerate(seqs, 1):
        log.send(number)
        if seq == oracle.REFUSED:
            log.refuse(number)
        elif seq:
            log.acknowledge(number, seq, Findings())
    return log


def judge(log: Said, stored: dict[int, str]) -> dict[Kind, int]:
    findings, history = Findings(), {ROOM: stored}
    where = oracle.places(history, findings)
    oracle.check_said([log], history, where, findings)
    oracle.check_order([log], history, findings)
    return dict(findings.counts)


def watch(see: Callable[[View], None], shown: dict[int, str] | None = None) -> dict[Kind, int]:
    findings = Findings()
    see(View("reader", 0, {} if shown is None else shown, findings))
    return dict(findings.counts)


ONE, TWO, THREE = texts(1, 2, 3)


@pytest.mark.parametrize(
    ("log", "stored", "found"),
    [
        (said(1, 2), {1: ONE, 2: TWO}, {}),
        (said(1, oracle.UNKNOWN), {1: ONE, 2: TWO}, {}),
        (said(1, oracle.UNKNOWN), {1: ONE}, {}),
        (said(1, oracle.REFUSED), {1: ONE}, {}),
        (said(1, 2), {1: ONE}, {Kind.LOST: 1}),
        (said(1, 2), {1: ONE, 2: TWO, 3: ONE}, {Kind.DOUBLED: 1, Kind.ORDER: 1}),
        (said(1, 2), {1: TWO, 2: ONE}, {Kind.DIFFERENT: 2, Kind.ORDER: 1}),
        (said(oracle.UNKNOWN, oracle.UNKNOWN), {1: TWO, 2: ONE}, {Kind.ORDER: 1}),
        (said(1, oracle.REFUSED), {1: ONE, 2: TWO}, {Kind.REFUSED: 1}),
        (said(1, 3), {1: ONE, 3: TWO}, {Kind.HOLE: 1}),
        (said(1), {1: ONE, 2: THREE}, {Kind.UNEXPECTED: 1}),
    ],
)
def test_what_was_said_is_held_against_what_is_stored(
    log: Said, stored: dict[int, str], found: dict[Kind, int]
) -> None:
    assert judge(log, stored) == found


@pytest.mark.parametrize(("may_be_refused", "found"), [(False, {Kind.ORDER: 1}), (True, {})])
def test_the_place_of_what_was_sent_again_is_the_first_one_unless_that_may_have_been_refused(
    may_be_refused: bool, found: dict[Kind, int]
) -> None:
    log = said(oracle.UNKNOWN, oracle.UNKNOWN)
    for number in (1, 2):
        log.send_again(number, may_be_refused=may_be_refused)

    assert judge(log, {1: TWO, 2: ONE}) == found


def test_the_place_of_what_was_refused_and_sent_again_is_the_last_one() -> None:
    log = said(oracle.REFUSED, 1)
    log.send(1)

    assert judge(log, {1: TWO, 2: ONE}) == {}
    assert judge(log, {1: ONE, 2: TWO}) == {Kind.DIFFERENT: 1, Kind.ORDER: 1}


def test_two_numbers_for_one_message_are_found() -> None:
    findings, log = Findings(), said(1)
    log.acknowledge(1, 2, findings)

    assert dict(findings.counts) == {Kind.DOUBLED: 1}


def tells(*events: tuple[int, str] | tuple[int, int]) -> Callable[[View], None]:
    """Return what tells a reader these messages, and notices of what was skipped."""

    def see(view: View) -> None:
        for first, second in events:
            if isinstance(second, str):
                view.told(first, second)
            else:
                view.skips(first, second)

    return see


@pytest.mark.parametrize(
    ("see", "found"),
    [
        (tells((1, ONE), (2, TWO)), {}),
        (tells((1, ONE), (2, 4), (5, TWO)), {}),
        (tells((1, ONE), (3, TWO)), {Kind.GAP: 1}),
        (tells((1, ONE), (3, 4), (5, TWO)), {Kind.GAP: 1}),
        (tells((1, ONE), (1, ONE)), {Kind.DOUBLED: 1}),
        (tells((1, ONE), (3, THREE), (2, TWO)), {Kind.GAP: 1, Kind.REORDERED: 1}),
        (tells((1, ONE), (2, TWO), (2, 3)), {Kind.GAP: 1}),
    ],
)
def test_what_a_reader_is_told_has_no_hole_and_no_repeat(see: Callable[[View], None], found: dict[Kind, int]) -> None:
    assert watch(see) == found


def test_two_readers_who_see_something_else_are_found() -> None:
    assert watch(tells((1, ONE)), {1: TWO}) == {Kind.DIFFERENT: 1}


def test_the_end_of_a_room_that_nobody_told_is_found() -> None:
    def see(view: View) -> None:
        view.told(1, ONE)
        view.ends(3)

    assert watch(see) == {Kind.GAP: 2}


def test_what_was_shown_and_is_not_stored_or_something_else_is_found() -> None:
    findings = Findings()
    oracle.check_shown({ROOM: {1: ONE, 2: TWO, 3: THREE}}, {ROOM: {1: ONE, 2: THREE}}, findings)

    assert dict(findings.counts) == {Kind.DIFFERENT: 1, Kind.NOT_STORED: 1}


@pytest.mark.parametrize(
    ("sight", "found"),
    [
        ([ONE, THREE], {}),
        ([TWO, ONE], {Kind.REORDERED: 1}),
        ([ONE, ONE], {Kind.DOUBLED: 1}),
        ([ONE, text_of(9, 9)], {Kind.NOT_STORED: 1}),
    ],
)
def test_what_is_seen_without_numbers_rises_and_is_stored(sight: list[str], found: dict[Kind, int]) -> None:
    findings = Findings()
    oracle.check_plain("nc", sight, {ONE: [1], TWO: [2], THREE: [3]}, findings)

    assert dict(findings.counts) == found


# --- An engine that loses what was shown -----------------------------------------------------------------------------


def lost(
    shown: dict[str, dict[int, str]],
    stored: dict[int, str],
    told: dict[str, dict[str, tuple[int, int, int]]],
    log: Said | None = None,
) -> dict[Kind, int]:
    """Judge what is told by nodes of each epoch, in which this was shown, when the last one is stored."""
    findings, epochs, history = Findings(), oracle.Epochs(), {ROOM: stored}
    for epoch in shown:
        epochs.see(ROOM, epoch)
    for epoch, by_node in told.items():
        for node, gone in by_node.items():
            epochs.tell((ROOM, epoch), node, gone, findings)
    said = [log] if log else [Said(0, ROOM)]
    if log is None:
        for number in range(1, 10):
            said[0].send(number)
    oracle.check_said(said, history, oracle.places(history, findings), findings, epochs)
    shown_logs = {(ROOM, epoch): texts for epoch, texts in shown.items()}
    oracle.check_epochs(epochs, shown_logs, history, said, findings)
    return dict(findings.counts)


@pytest.mark.parametrize(
    ("shown", "stored", "told", "found"),
    [
        # Nothing is gone: the epoch may change all the same.
        ({"a": {1: ONE}, "b": {2: TWO}}, {1: ONE, 2: TWO}, {}, {}),
        # All is gone, and each node tells what it had shown.
        ({"a": {1: ONE, 2: TWO}, "b": {1: THREE}}, {1: THREE}, {"a": {"x": (2, 1, 2), "y": (2, 1, 2)}}, {}),
        ({"a": {1: ONE, 2: TWO}, "b": {1: THREE}}, {1: THREE}, {"a": {"x": (2, 1, 2), "y": (1, 1, 1)}}, {}),
        # The end is gone, and something else stands there.
        ({"a": {1: ONE, 2: TWO}, "b": {2: THREE}}, {1: ONE, 2: THREE}, {"a": {"x": (1, 2, 2)}}, {}),
        # Nobody says so; only one node does that had not shown all; somebody says too much, or counts wrongly.
        ({"a": {1: ONE, 2: TWO}, "b": {}}, {}, {}, {Kind.LOST: 2}),
        ({"a": {1: ONE, 2: TWO}, "b": {}}, {}, {"a": {"x": (1, 1, 1)}}, {Kind.MISCOUNTED: 1}),
        ({"a": {1: ONE}, "b": {}}, {1: ONE}, {"a": {"x": (1, 1, 1)}}, {Kind.MISCOUNTED: 1}),
        ({"a": {1: ONE, 2: TWO}, "b": {}}, {1: ONE}, {"a": {"x": (2, 1, 2)}}, {Kind.MISCOUNTED: 1}),
        ({"a": {1: ONE, 2: TWO}, "b": {}}, {}, {"a": {"x": (3, 1, 2)}}, {Kind.MISCOUNTED: 1}),
    ],
)
def test_what_an_engine_has_lost_is_held_against_what_nodes_say_of_it(
    shown: dict[str, dict[int, str]],
    stored: dict[int, str],
    told: dict[str, dict[str, tuple[int, int, int]]],
    found: dict[Kind, int],
) -> None:
    assert lost(shown, stored, told) == found


def test_a_node_that_says_two_things_of_one_loss_is_found() -> None:
    findings, epochs = Findings(), oracle.Epochs()
    epochs.tell((ROOM, "a"), "x", (2, 1, 2), findings)
    epochs.tell((ROOM, "a"), "x", (2, 1, 2), findings)
    assert not findings.counts
    epochs.tell((ROOM, "a"), "x", (1, 1, 1), findings)
    assert dict(findings.counts) == {Kind.MISCOUNTED: 1}


@pytest.mark.parametrize(
    ("shown", "told", "is_right"),
    [({}, (2, 1, 2), True), ({3: THREE}, (3, 1, 3), True), ({3: THREE}, (1, 3, 3), True), ({}, (3, 1, 3), False)],
)
def test_what_every_reader_was_told_it_missed_may_be_gone_and_was_shown(
    shown: dict[int, str], told: tuple[int, int, int], is_right: bool
) -> None:
    findings, epochs = Findings(), oracle.Epochs()
    for epoch in "ab":
        epochs.see(ROOM, epoch)
    epochs.skip((ROOM, "a"), 1, 2)
    epochs.tell((ROOM, "a"), "x", told, findings)
    oracle.check_epochs(epochs, {(ROOM, "a"): shown}, {}, [], findings)
    assert bool(findings.counts) is not is_right


def test_what_was_acknowledged_may_be_gone_if_that_was_told() -> None:
    log = Said(0, ROOM)
    log.send(1)
    log.acknowledge(1, 1, Findings(), "a")

    assert lost({"a": {1: ONE}, "b": {}}, {}, {"a": {"x": (1, 1, 1)}}, log) == {}
    assert lost({"a": {}, "b": {}}, {}, {}, log) == {Kind.LOST: 1}


def test_what_was_refused_was_shown_in_no_epoch_unless_it_is_told_to_be_gone() -> None:
    assert lost({"a": {1: ONE}, "b": {}}, {}, {"a": {"x": (1, 1, 1)}}, said(oracle.REFUSED)) == {}
    found = lost({"a": {1: ONE}, "b": {}}, {}, {}, said(oracle.REFUSED))
    assert found == {Kind.LOST: 1, Kind.REFUSED: 1}


def test_a_message_has_another_number_in_another_epoch() -> None:
    findings, log = Findings(), Said(0, ROOM)
    log.send(1)
    log.acknowledge(1, 5, findings, "a")
    log.acknowledge(1, 1, findings, "b")

    assert not findings.counts


def test_what_is_seen_without_numbers_rises_from_one_epoch_to_the_next() -> None:
    epochs = oracle.Epochs()
    for epoch in "ab":
        epochs.see(ROOM, epoch)
    numbers = oracle.lines(ROOM, epochs, {(ROOM, "a"): {1: ONE, 2: TWO}}, {1: TWO, 2: THREE})
    findings = Findings()
    oracle.check_plain("nc", [ONE, TWO, TWO, THREE], numbers, findings)
    assert not findings.counts
    oracle.check_plain("nc", [THREE, ONE], numbers, findings)
    assert dict(findings.counts) == {Kind.REORDERED: 1}
