"""The engine decides what a plain model decides, whatever nodes ask in whatever order, and whatever its clock says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hiredis
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gchat.cluster.attachment import decisions
from tests.cluster.decisions_model import IDS, Fields, Model, Refused
from tests.cluster.engines import EngineProcess, Questions

#: What the script is without the clock and the run of the engine, and with small limits.
CHANGES = {
    "local clock = redis.call('TIME')": "local ms = tonumber(redis.call('GET', 'ms'))\n"
    "local clock = {math.floor(ms / 1000), ms % 1000 * 1000}",
    "local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')": "local run = redis.call('GET', 'run')",
    "local IDS_S, IDS = 600, 10000": f"local IDS_S, IDS = 600, {IDS}",
    "'MINID', '~'": "'MINID', '='",
}

NODES = ("alice-00001", "bob-00002", "carol-00003")
ROOMS = ("dev", "lobby")
LEASE, SILENCE, ENTRIES, AGE = 1000, 600, 2, 300


@pytest.fixture(scope="module")
def questions() -> Iterator[Questions]:
    with EngineProcess(appendfsync="no") as engine, Questions(engine) as found:
        yield found


class Subject:
    """The engine and its model, which are asked the same."""

    def __init__(self, questions: Questions) -> None:
        self.ask = questions.ask
        self.model = Model(raw=1_000_000)
        source = decisions()[0].decode()
        for old, new in CHANGES.items():
            assert source.count(old) == 1, old
            source = source.replace(old, new)
        assert self.ask("FLUSHALL") == b"OK"
        self.ask("SET", "run", "1")
        self.name = self.ask("SCRIPT", "LOAD", source)
        self.held = dict.fromkeys(NODES, ("none.1", "0"))  # the term and the fence, perhaps older ones
        self.batches = dict.fromkeys(NODES, 0)

    def decide(self, name: str, *words: Any, packed: list[bytes] | None = None) -> Any:
        self.ask("SET", "ms", self.model.raw)
        told = [int(word) if isinstance(word, bool) else word for word in words]
        if packed is not None:
            told = [*told[:-1], 100, *packed]
        answer = self.ask("EVALSHA", self.name, 1, "ns", name, *told)
        expected = self.model.decide(name, *words)
        if isinstance(expected, Refused):
            assert isinstance(answer, hiredis.ReplyError)
            assert str(answer).partition(" ")[0] == str(expected)
            return None
        if isinstance(expected, str):
            assert answer.decode() == expected
        elif isinstance(expected[-1], dict):
            assert [part.decode() for part in answer[:4]] == list(expected[:4])
            assert dict(zip(answer[4::2], answer[5::2], strict=True)) == {k.encode(): v for k, v in expected[4].items()}
        else:
            assert [part.decode() for part in answer] == list(expected)
        return expected

    def attach(self, node: str, is_new: bool, known: str, at: str, unicode: str = "15") -> None:
        found = self.decide("attach", node, node[-5:], is_new, f"base{self.model.fences}", "1", unicode, known, at)
        if found is not None:
            self.held[node] = (found[0], found[3])

    def put(self, node: str, since: int, items: list[tuple[Any, ...]], again: bool = False) -> None:
        term, fence = self.held[node]
        self.batches[node] += not again
        packed = [b"\0" + item[1] if item[0] == "step" else msgspec.msgpack.encode(item) for item in items]
        self.decide("put", term, node, fence, self.batches[node], self.model.raw + since, items, packed=packed)

    def check(self) -> None:
        entries = self.ask("XRANGE", "ns:feed", "-", "+")
        assert [(id_.decode(), decoded(fields)) for id_, fields in entries] == [
            (id_, [encoded(part) for part in fields]) for id_, fields in self.model.entries()
        ]
        leases = self.ask("ZRANGE", "ns:leases", 0, -1, "WITHSCORES")
        assert {
            node.decode(): int(end) for node, end in zip(leases[::2], leases[1::2], strict=True)
        } == self.model.leases
        for table in ("fence", "applied", "infos"):
            found = self.ask("HGETALL", f"ns:{table}")
            expected = {str(key).encode(): encoded(value) for key, value in getattr(self.model, table).items()}
            assert dict(zip(found[::2], found[1::2], strict=True)) == expected
        n, data = self.ask("HMGET", "ns:checkpoint", "n", "data")
        assert (n and (int(n), data)) == self.model.checkpoint


def encoded(part: Any) -> Any:
    """Return a part of the model's as it is in the engine, decoded from msgpack where it is that."""
    if isinstance(part, int | str):
        return str(part).encode()
    return part if isinstance(part, bytes) else msgspec.msgpack.decode(msgspec.msgpack.encode(part))


def decoded(fields: list[bytes]) -> Fields:
    """Return an entry's fields and values, decoded from msgpack where the script has packed them."""
    found: Fields = fields[:2]
    for head, value in zip(fields[2::2], fields[3::2], strict=True):
        is_packed = value and head[:1] not in (b"\2", b"\3")
        found += [head, plain(msgspec.msgpack.decode(value)) if is_packed else value]
    return found


def plain(value: Any) -> Any:
    """Return a value in which an empty table of Lua is an empty list."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    return [] if value == {} else value


nodes = st.sampled_from(NODES)
texts = st.lists(st.sampled_from("ab"), min_size=1, max_size=3)
ids = st.sampled_from([*"123456", ""])


@st.composite
def messages(draw: st.DrawFn) -> tuple[Any, ...]:
    said = draw(texts)
    given_ids = [draw(ids) for _ in said] if draw(st.booleans()) else []
    room, kind = draw(st.sampled_from(ROOMS)), draw(st.sampled_from(["said", "topic"]))
    return (
        "message",
        room,
        draw(st.sampled_from("LM")),
        kind,
        "alice",
        said,
        given_ids,
        [ord(t) for t in said if given_ids],
    )


items = st.one_of(
    messages(),
    st.tuples(st.just("step"), st.binary(min_size=1, max_size=3)),
    st.tuples(st.just("whisper"), st.sampled_from("LM"), st.sampled_from("123456"), st.integers(1, 2)),
)
calls = st.one_of(
    st.tuples(st.just("attach"), nodes, st.sampled_from([False, False, True]), st.booleans()),
    st.tuples(st.just("put"), nodes, st.integers(-5, 50), st.lists(items, min_size=1, max_size=4), st.booleans()),
    *[st.tuples(st.just("put"), nodes, st.just(50), st.lists(items, min_size=1, max_size=4), st.just(False))] * 2,
    *[st.tuples(st.just("beat"), nodes)] * 3,
    st.tuples(st.just("keep"), nodes, st.integers(0, 20)),
    st.tuples(st.just("leave"), nodes, st.booleans()),
    st.tuples(st.just("wait"), st.one_of(st.integers(0, 400), st.integers(400, 1500), st.integers(-3000, 5000))),
    st.tuples(st.just("restart")),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(calls, min_size=20, max_size=60))
def test_the_engine_decides_as_the_model_does(questions: Questions, asked: list[tuple[Any, ...]]) -> None:
    subject = Subject(questions)
    model = subject.model
    for node in NODES:
        subject.attach(node, True, "", "0-0")
    for kind, *about in asked:
        if kind == "wait":
            model.raw = max(model.raw + about[0], 1)
        elif kind == "restart":
            model.run += "1"
            subject.ask("SET", "run", model.run)
        elif kind == "attach":
            node, is_new, has_place = about
            at = model.entries()[-1][0] if model.entries() and has_place else "0-0" if has_place else "1-7"
            subject.attach(node, is_new, model.base if has_place else "", at)
        elif kind == "put":
            subject.put(*about)
        elif kind == "beat":
            term, fence = subject.held[about[0]]
            subject.decide("beat", term, about[0], fence, LEASE, SILENCE, ENTRIES, AGE, about[0][:1].encode())
        elif kind == "keep":
            term, fence = subject.held[about[0]]
            subject.decide("keep", term, about[0], fence, min(about[1], len(model.feed)), str(about[1]).encode())
        else:
            subject.decide("leave", *subject.held[about[0]][:1], about[0], subject.held[about[0]][1], about[1])
        subject.check()


@pytest.fixture
def subject(questions: Questions) -> Subject:
    found = Subject(questions)
    for node in NODES:
        found.attach(node, True, "", "0-0")
    return found


ALICE, BOB, _ = NODES


def beat(subject: Subject, node: str) -> Any:
    term, fence = subject.held[node]
    found = subject.decide("beat", term, node, fence, LEASE, SILENCE, ENTRIES, AGE, b"")
    subject.check()
    return found


def step(subject: Subject, data: bytes = b"x", since: int = 50) -> int:
    """Put a step; return when, by the engine's time, 0 if it was refused."""
    before = len(subject.model.feed)
    subject.put(ALICE, since, [("step", data)])
    subject.check()
    return subject.model.last if len(subject.model.feed) > before else 0


def gone(subject: Subject) -> list[str]:
    return [fields[3] for _, fields in subject.model.feed if "\3" in fields]


def test_a_clock_that_is_set_back_goes_on_at_half_its_speed_until_it_has_caught_up(subject: Subject) -> None:
    model = subject.model
    began_at = step(subject)
    model.raw -= 100

    times = []
    for _ in range(6):
        times.append(step(subject, since=200) - began_at)
        model.raw += 40

    assert times == [0, 20, 40, 60, 80, 100]
    assert step(subject) == model.raw


def test_a_batch_is_carried_out_until_its_deadline(subject: Subject) -> None:
    assert step(subject, since=0)
    assert not step(subject, since=-1)


def test_a_lease_ends_when_its_time_has_come_and_is_told_once(subject: Subject) -> None:
    for node in (ALICE, BOB):
        beat(subject, node)
    for _ in range(2):
        subject.model.raw += LEASE // 2 - 1
        beat(subject, ALICE)

    assert not gone(subject)

    subject.model.raw += 2
    beat(subject, ALICE)
    beat(subject, ALICE)

    assert gone(subject) == [BOB]
    assert beat(subject, BOB) is None


def test_nobody_is_given_up_for_a_silence_of_all(subject: Subject) -> None:
    for node in (ALICE, BOB):
        beat(subject, node)
    subject.model.raw += 100 * LEASE

    assert beat(subject, ALICE)[1] == str(100 * LEASE)
    assert beat(subject, BOB)
    assert not gone(subject)


def test_a_number_is_never_drawn_twice(subject: Subject) -> None:
    subject.decide("leave", *(subject.held[BOB][0], BOB, subject.held[BOB][1]), False)

    assert subject.decide("attach", "carl-00002", "00002", True, "b", "1", "15", "", "0-0") is None
    assert subject.decide("attach", "carl-00004", "00004", True, "b", "1", "15", "", "0-0")


def test_another_unicode_is_taken_when_no_node_is_left(subject: Subject) -> None:
    def attach(unicode: str) -> Any:
        return subject.decide("attach", "dave-00009", "00009", False, "b", "1", unicode, "", "0-0")

    beat(subject, ALICE)

    assert attach("16") is None

    subject.model.raw += LEASE + 1

    assert attach("16")
    assert subject.model.unicode == "16"


def test_what_was_carried_out_twice_is_done_once(subject: Subject) -> None:
    assert step(subject)

    subject.put(ALICE, 50, [("step", b"x")], again=True)

    assert len(subject.model.feed) == 1
