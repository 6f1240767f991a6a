"""Words: what is said is found by them, and the index of the disk finds what the memory does."""

from __future__ import annotations

import sqlite3
import time
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gchat.journal.parts import TooMuch
from gchat.journal.search_tokens import MIN_BEGINNING, fts_query, matching, prepared, tokens
from gchat.model.messages import Acted, Message, Record, Said, TopicSet

NOW = 1_700_000_000.0


class Index:
    """FTS5 itself, with a table like the journal's."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.executescript("""
            CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'ascii');
            CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, instance);
        """)

    def close(self) -> None:
        self._connection.close()

    def _fill(self, texts: list[str]) -> None:
        self._connection.execute("DELETE FROM words")
        self._connection.executemany(
            "INSERT INTO words (rowid, text) VALUES (?, ?)", enumerate(map(prepared, texts), 1)
        )

    def found(self, texts: list[str], query: str) -> list[int]:
        """Return the numbers, from 1 on, of the texts that are found."""
        self._fill(texts)
        try:
            asked = fts_query(query)
        except TooMuch:
            return []
        if not asked:
            return []
        rows = self._connection.execute("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid", (asked,))
        return [row[0] for row in rows]

    def tokens(self, texts: list[str]) -> list[list[str]]:
        """Return the tokens of each text."""
        self._fill(texts)
        made: list[list[str]] = [[] for _ in texts]
        for term, number in self._connection.execute("SELECT term, doc FROM vocabulary ORDER BY doc, offset"):
            made[number - 1].append(term)
        return made


@pytest.fixture(scope="module")
def index() -> Iterator[Index]:
    made = Index()
    yield made
    made.close()


def found(texts: list[str], query: str) -> list[int]:
    """Return the same as Index.found, by the memory's way."""
    records = [Record(number, NOW, Said("alice", (text,))) for number, text in enumerate(texts, 1)]
    try:
        return [record.seq for record in matches(records, query)]
    except TooMuch:
        return []


def matches(records: list[Record], query: str) -> list[Record]:
    return list(matching(records, query, lambda: False))[::-1]


def finds(query: str, text: str) -> bool:
    return found([text], query) == [1]


# --- What is found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("deploy", "The deploy is done"),
        ("DONE deploy", "The deploy is done"),  # in any order and case
        ("deploy", "Déploy!"),
        ("dé\u0301ploy", "deploy"),
        ("uber straße", "ÜBER DIE STRAßE"),
        ("мир", "Привет, МИР"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),  # the sigma at the end too
        ("depl*", "deployments tomorrow"),
        ("foo-bar", "(foo-bar)"),
        ("foo-bar*", "see foo-barrel"),
        ("v1.2", "here is v1.2."),
        ("10,000", "10,000 users"),
        ("हिन्दी", "यह हिन्दी है"),
        ("שלום", "שָׁלוֹם לכם"),  # vowel points are accents
        ("2024 cafe", "２０２４年のｃａｆｅ です"),  # full width
        ("don't", "I don’t know"),
        ('"foo bar"', "foo bar"),  # quotation marks are none of the words
        # Scripts without spaces
        ("中", "中文"),
        ("中文", "说 中文 吗"),
        ("天気", "今日の天気はいいですね"),
        ("天気 今日", "今日の天気はいいですね"),
        ("날씨", "오늘 날씨가 좋네요"),
        ("날씨", unicodedata.normalize("NFD", "오늘 날씨가 좋네요")),  # as macOS writes it
        ("อากาศ", "วันนี้อากาศดีมาก"),
        ("ອາກາດ", "ມື້ນີ້ອາກາດດີ"),
        ("テンキ", "今日ﾉﾃﾝｷ"),
        ("カフェ", "駅前のカフェで"),
        ("ユーザー", "開始ﾕｰｻﾞｰ認証完了"),
        ("ㇰㇱ", "開始ㇰㇱ確認完了"),
        ("生命科学", "研究生命科学"),
        ("悬空 gen itgc", "步2 重跑gen-itgc后50条悬空引用清零"),
        ("issue化", "issue化してほしい"),
        ("다라", "가나다라"),
        ("iPhoneケース", "新しいiPhoneケースを買った"),
        ("ភាសា", "ខ្ញុំរៀនភាសាខ្មែរ"),
        # Symbols
        ("c++", "I like C++, and C"),
        ("c++", "ｃ＋＋"),
        ("c#", "f# or C#?"),
        (".net", "we use .NET here"),
        ("node.js", "Node.js 22"),
        ("#42", "see #42"),
        ("-1", "it is -1"),
        ("++", "i++"),
        ("😀", "good😀morning"),
        ("😀 good", "good😀morning"),
        ("❤", "❤️"),
        ("👍", "👍🏽"),
        ("🇯🇵", "in 🇯🇵 now"),
        ("👩‍👩‍👧", "my 👩‍👩‍👧"),
        ("100%", "100% sure"),
        ("snake_case", "in snake_case,"),
        ("!?", "what !?"),
    ],
)
def test_a_text_with_all_the_words_is_found(index: Index, query: str, text: str) -> None:
    assert finds(query, text)
    assert index.found([text], query) == [1]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("depl", "deployments"),  # words are whole
        ("ploy*", "deploy"),
        ("deploy tomorrow", "deploy"),  # all of them are wanted
        ("foo-bar", "bar-foo"),
        ("foo-bar", "foo bar"),  # punctuation too
        ("foo-ba*-baz", "foo-barrel-baz"),  # a star within a word separates
        ("strasse", "Straße"),
        ("мои", "мой"),  # these are letters of their own
        ("мои", unicodedata.normalize("NFD", "мой")),
        ("", "anything"),
        ('  * "', "* *"),
        ("天汽", "今日の天気はいいですね"),
        ("気天", "今日の天気はいいですね"),
        ("날개", "오늘 날씨가 좋네요"),
        ("ที", "ทา"),
        ("c++", "c or c+ and C"),
        ("c", "c4"),
        ("c#", "c++"),
        ("😀", "😁"),
        ("👍🏽", "👍"),
        ("हिन्दी", "हन्दी"),
        ("-1", "1"),
    ],
)
def test_another_text_is_not(index: Index, query: str, text: str) -> None:
    assert not finds(query, text)
    assert index.found([text], query) == []


def test_too_short_a_beginning_is_a_whole_word(index: Index) -> None:
    texts = ["de", "dep", "deploy", "depth"]

    assert MIN_BEGINNING == 3
    assert found(texts, "de*") == index.found(texts, "de*") == [1]
    assert found(texts, "dep*") == index.found(texts, "dep*") == [2, 3, 4]
    assert found(["foo-ba", "foo-bar"], "foo-ba*") == index.found(["foo-ba", "foo-bar"], "foo-ba*") == [1]


@pytest.mark.parametrize(
    "query",
    [
        "tea OR coffee", "tea AND coffee", "NOT coffee", "tea NOT coffee", "NEAR(tea coffee)", "NEAR tea", "text:tea",
        "text : tea", "{text}:tea", "-text:tea", "^coffee", "tea + coffee", "(tea coffee)", "tea\0coffee",
    ],
)  # fmt: skip
def test_no_operator_of_the_index_is_one_here(index: Index, query: str) -> None:
    # What an operator would find, or not; and the words alone.
    texts = ["tea", "coffee", "the coffee", "tea with coffee", query]

    assert index.found(texts, query) == found(texts, query)
    assert 5 in found(texts, query)
    assert 1 not in found(texts, query)
    assert 3 not in found(texts, query)


@pytest.mark.parametrize("query", ['"', '""', '"tea', 'tea"', 'te"a', '"tea"*', '"*', "'", "*", "**", "\0", "\0tea\0*"])
def test_quotes_stars_and_nuls_harm_nothing(index: Index, query: str) -> None:
    texts = ["tea", "te a", "teapot", query]

    assert index.found(texts, query) == found(texts, query)


def test_a_query_of_the_index_is_empty_without_words() -> None:
    assert [fts_query(text) for text in ("", " ", "*", "* ** *", '"', "\0")] == [""] * 6
    assert fts_query("Te*a foo-b NEAR dep** !") == '"te a" "foo － b" "near" "dep"* "！"'


def test_what_is_no_unicode_reaches_no_query() -> None:
    assert fts_query("a\ud800b") == '"a b"'


# --- Records ---------------------------------------------------------------------------------------------------------


def test_only_the_texts_of_a_record_that_have_the_words_are_found_with_their_numbers_and_ids() -> None:
    record = Record(7, NOW, Said("alice", ("tea", "cake", "more tea"), ("a", "", "c")))

    assert matches([record], "tea") == [
        Record(7, NOW, Said("alice", ("tea",), ("a",))),
        Record(9, NOW, Said("alice", ("more tea",), ("c",))),
    ]


@pytest.mark.parametrize("message", [Acted("alice", "drinks tea", "a"), TopicSet("alice", "Tea time")])
def test_what_users_do_and_topics_are_found_too(message: Message) -> None:
    assert matches([Record(3, NOW, message)], "tea") == [Record(3, NOW, message)]


def test_a_name_is_no_word_of_a_text() -> None:
    assert not matches([Record(3, NOW, Said("alice", ("hello",)))], "alice")


def test_the_newest_are_found_first() -> None:
    records = [Record(number, NOW, Said("alice", ("tea", "tea"))) for number in range(1, 20, 2)]

    found = matching(records, "tea", lambda: False)

    assert [next(found).seq for _ in range(3)] == [20, 19, 18]


def test_a_search_in_memory_ends_when_it_is_late() -> None:
    looks = iter([False] * 5 + [True])
    records = [Record(number, NOW, Said("alice", ("tea",))) for number in range(1, 20)]

    with pytest.raises(TooMuch, match="Too much to search; add a word"):
        list(matching(records, "coffee", lambda: next(looks)))


def test_each_word_of_a_query_is_looked_for_once() -> None:
    assert fts_query("aaa* AAA* b b aaa " * 20) == '"aaa"* "b" "aaa"'


@pytest.mark.parametrize(
    "text",
    [
        *("@nasa", "#tag", "a=b", "foo&bar", "x\\y", "[br]", "why?", "50%", "<x>", "ünïcode@x", "IDOLM@STER", "sum= /"),
        *("don't use agents", "--error-on-warnings", "Downloads/transcripts", "ubuntu 20.04", "grammar::fa"),
    ],
)
def test_what_other_programs_stumbled_over_is_found_by_itself(index: Index, text: str) -> None:
    assert finds(text, f"see {text} here")
    assert finds(f'"{text}"', f"see {text} here")
    assert index.found([f"see {text} here", "see"], text) == [1]


@pytest.mark.parametrize("query", ["aaa* bbb* ccc* ddd*", "a*** ddd*! b-ccc* bbb* aaa* d-eee*"])
def test_a_query_with_more_than_three_beginnings_is_too_much(query: str) -> None:
    for search in (fts_query, lambda text: matches([], text)):
        with pytest.raises(TooMuch, match=r"at most 3 words may end in \*"):
            search(query)


# --- The memory and the disk find the same ---------------------------------------------------------------------------

CHARS = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]

#: Few enough to meet again, and all that has a part of its own.
FEW = "abAB1éß\u0301\u0305-_*'\" .,:()^+ςΣάЖйя中文한कि😀½²\0ที่＋ｃ"

#: Made of few, or of many.
TEXTS = st.text(st.sampled_from(FEW), max_size=12) | st.text(st.sampled_from(CHARS), max_size=12)
QUERIES = st.text(st.sampled_from(FEW), max_size=8) | st.text(st.sampled_from(CHARS), max_size=8)


def test_every_character_is_in_a_token_what_it_is_in_the_index(index: Index) -> None:
    texts = [f"q{char}z" for char in CHARS]

    assert len(CHARS) > 250_000
    assert [(text, made) for text, made in zip(texts, index.tokens(texts), strict=True) if tokens(text) != made] == []


@settings(deadline=None)
@given(texts=st.lists(TEXTS, max_size=6), query=QUERIES)
def test_memory_and_index_find_the_same(index: Index, texts: list[str], query: str) -> None:
    assert found(texts, query) == index.found(texts, query)


@settings(deadline=None)
@given(text=TEXTS, words=st.data())
def test_a_text_is_found_by_some_of_its_own_words(index: Index, text: str, words: st.DataObject) -> None:
    own = text.split()
    query = " ".join(words.draw(st.lists(st.sampled_from(own), max_size=3))) if own else ""

    assert finds(query, text) == (index.found([text], query) == [1]) == bool(tokens(query))


@given(text=st.text(), query=st.text())
@example(text="\ud83d", query="\udc00 \ud83d*")
def test_no_text_and_no_query_is_an_error(index: Index, text: str, query: str) -> None:
    found([text], query)
    index.found([text.encode(errors="replace").decode()], query)


def test_a_tower_of_marks_is_prepared_as_fast_as_other_text() -> None:
    def took_s(text: str) -> float:
        began = time.perf_counter()
        prepared(text)
        return time.perf_counter() - began

    usual_s = max(took_s("ж" * 100_000) for _ in range(3))
    for one, other in (("\u0301", "\u0323"), ("\u302e", "\U0001d165")):
        assert took_s("a" + one * 50_000 + other * 50_000) < 100 * usual_s, "normalized as it is: half a minute"
    assert prepared("a" + "\u0301" * 50) == prepared("á")


@pytest.mark.parametrize("query", ["deploy.", "deploy!", "(deploy)", "deploy, done?", "¿deploy?"])
def test_the_punctuation_of_a_sentence_around_a_word_is_not_searched(query: str) -> None:
    record = Record(1, 0.0, Said("alice", ("deploy done",)))

    assert list(matching([record], query, lambda: False))
    assert not list(matching([record], "deploy+", lambda: False))
