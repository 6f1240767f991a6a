"""Times before lines, and what stands between the old and the new."""

from __future__ import annotations

from datetime import timedelta

from gchat.client.conversation.conversation import Conversation
from gchat.client.conversation.notices import Back
from gchat.client.render import plain_text, text_of
from gchat.client.timeline import Timeline
from gchat.dialects.rich_events import FoundEvent, LiveEvent, PageEvent
from tests.client.shown import NOW, said, texts


def test_a_line_has_the_local_time_of_what_was_said(chat: Conversation) -> None:
    assert texts(Timeline(NOW).lines(said("hello"), chat, NOW)) == ["12:03 [bob] hello"]


def test_what_has_no_time_or_no_understandable_one_has_the_time_of_now(chat: Conversation) -> None:
    assert texts(Timeline(NOW).lines(Back(), chat, NOW)) == ["12:30 > Connected again"]
    for time in ("", "soon", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "2026-13-01T00:00:00Z"):
        assert texts(Timeline(NOW).lines(said("x", time=time), chat, NOW))[-1].endswith("[bob] x")


def test_a_new_day_is_a_line_of_its_own(chat: Conversation) -> None:
    timeline = Timeline(NOW)
    late, early = said("late", time="2026-02-28T21:59:00Z"), said("early", time="2026-02-28T22:01:00Z")
    shown = [text for notice in (late, early, early) for text in texts(timeline.lines(notice, chat, NOW))]
    assert shown == [
        "── Saturday, 28 February 2026 ──",
        "23:59 [bob] late",
        "── Sunday, 1 March 2026 ──",
        "00:01 [bob] early",
        "00:01 [bob] early",
    ]


def test_what_shows_nothing_shows_no_day_either(chat: Conversation) -> None:
    timeline = Timeline(NOW)
    assert timeline.lines(LiveEvent(room="lobby", seq=1), chat, NOW + timedelta(days=1)) == []


def test_a_page_has_the_times_and_days_of_its_messages_and_leaves_the_talks_day_alone(chat: Conversation) -> None:
    timeline = Timeline(NOW)
    page = PageEvent(room="lobby", events=(said("old", time="2026-02-27T09:00:00Z", seq=9),), end=False)
    assert texts(timeline.lines(page, chat, NOW)) == [
        "── 1 message of lobby ──",
        "── Friday, 27 February 2026 ──",
        "11:00 [bob] old",
        "12:30 > … there is more: /history 10",
        "── now ──",
    ]
    assert texts(timeline.lines(said("now"), chat, NOW)) == ["12:03 [bob] now"]


def test_what_was_found_has_numbers_and_the_lines_of_its_days_have_none(chat: Conversation) -> None:
    events = (said("old", time="2026-02-27T09:00:00Z", seq=9), said("older", time="2026-02-27T09:01:00Z", seq=11))
    found = FoundEvent(room="lobby", events=events, end=False)
    more = "> … there may be older matches; add a word to narrow the search"
    assert texts(Timeline(NOW).lines(found, chat, NOW)) == [
        "── 2 messages found in lobby ──",
        "── Friday, 27 February 2026 ──",
        "#9 11:00 [bob] old",
        "#11 11:01 [bob] older",
        f"12:30 {more}",
        "── now ──",
    ]
    assert plain_text(found, chat) == f"#9 [bob] old\n#11 [bob] older\n{more}\n"


def test_an_empty_page_has_no_frame(chat: Conversation) -> None:
    page = PageEvent(room="lobby", events=(), end=True)
    assert texts(Timeline(NOW).lines(page, chat, NOW)) == ["12:30 > There are no such messages"]


def test_what_is_old_is_grey_but_for_the_user_s_name(chat: Conversation) -> None:
    (line,) = Timeline(NOW).lines(said("hi alice"), chat, NOW, old=True)
    assert {style for style, _ in line} == {"class:time", "class:old", "class:mention"}
    assert text_of(line) == "12:03 [bob] hi alice"


def test_nothing_that_a_user_says_begins_as_a_rule_does(chat: Conversation) -> None:
    forged = said("── now ──", "── now ──")
    assert not texts(Timeline(NOW).lines(forged, chat, NOW))[-1].startswith("─")


def test_a_nick_has_a_colour(chat: Conversation) -> None:
    (line,) = Timeline(NOW).lines(said("hello"), chat, NOW)
    assert next(style for style, text in line if text == "bob").startswith("class:nick-")
