"""The live page in a real browser, against the real endpoint: what its operator sees and can do."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from tests.admin.fake_backend import READ_TOKEN, TOKEN
from tests.admin.page.browser import Browser, Page
from tests.admin.page.payloads import PAYLOADS
from tests.admin.page.stage import Stage
from tests.e2e.harness import wait_until

CHECKS = Path(__file__).with_name("checks.js").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as stage:
        yield stage


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    with browser.opens(stage.url) as page:
        page.sees("Live", "#state")
        yield page
        assert page.complaints == []
        assert page.dialogs == []


def unlock(page: Page, token: str = TOKEN) -> None:
    page.clicks("#unlock")
    page.types(token)
    page.presses("Enter")


def unlocked(page: Page, token: str = TOKEN) -> None:
    unlock(page, token)
    page.sees("Unlocked." if token == TOKEN else "Unlocked for reading.", "#said")
    page.sees("Live", "#state")


def row(nick: str) -> str:
    """Return an expression for what stands in a user's row, cell by cell."""
    return (
        "[...document.querySelectorAll('#users tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
        f".find(cells => cells[0] === {json.dumps(nick)})"
    )


# --- What is seen ----------------------------------------------------------------------------------------------------


def test_a_user_who_comes_talks_lags_and_leaves_is_seen(stage: Stage, page: Page) -> None:
    alice = stage.does("joins", nick="alice")
    page.waits(row("alice"))
    page.sees("alice joined lobby", "#activity")
    page.waits("document.title.startsWith('1 online')")
    stage.does("says", nick="alice", text="hello")
    stage.does("changes", user=alice, messages=1, idle_s=75.0, lag_bytes=300_000, skipped=412)
    page.waits(f"{row('alice')}?.join().includes(',1 min,1,293 KiB,412,')")
    page.sees("1", "#slow .value")
    stage.does("leaves", user=alice, reason="reset")
    page.sees("alice left: reset", "#activity")
    page.waits(f"!{row('alice')}")
    assert "hello" not in page.text()  # only a token shows messages


def test_with_a_token_messages_are_seen(stage: Stage, page: Page) -> None:
    unlocked(page)
    stage.does("joins", nick="alice")
    stage.does("says", nick="alice", text="hello")
    page.sees("lobby [alice] hello", "#activity")
    stage.does("says", nick="alice", text="waves", kind="acted")
    page.sees("lobby * alice waves", "#activity")
    stage.does("says", nick="alice", text="tea", kind="topic")
    page.sees("lobby > alice set the topic: tea", "#activity")
    stage.does("says", nick="alice", text="", kind="topic")
    page.sees("lobby > alice cleared the topic", "#activity")


def said_in_activity(page: Page) -> list[str]:
    return [line.split(" ", 1)[1] for line in page.text("#activity ol").splitlines() if "[alice]" in line]


@pytest.mark.parametrize("room", ["lobby", "dev"])
def test_what_is_said_right_after_unlocking_is_seen_once_and_in_order(stage: Stage, page: Page, room: str) -> None:
    stage.does("joins", nick="alice", room=room)
    stage.does("says", nick="alice", text="before", room=room)
    unlock(page)
    page.sees("Unlocked.", "#said")
    for number in range(10):
        stage.does("says", nick="alice", text=f"line {number}", room=room)
    page.sees("line 9", "#activity")
    page.sees("Live", "#state")
    stage.does("says", nick="alice", text="last", room=room)
    page.sees("last", "#activity")
    lines = [f"{room} [alice] {text}" for text in ("last", *(f"line {number}" for number in range(9, -1, -1)))]
    assert said_in_activity(page) == lines


def test_what_is_said_while_the_stream_is_gone_is_seen_once_and_in_order(stage: Stage, page: Page) -> None:
    unlocked(page)
    stage.does("joins", nick="alice")
    for number in range(3):
        page.js("document.querySelector('#try-now').click()")
        stage.does("says", nick="alice", text=f"line {number}")
    page.sees("line 2", "#activity")
    assert said_in_activity(page) == [f"lobby [alice] line {number}" for number in (2, 1, 0)]


def test_an_address_in_place_of_a_nick_takes_one_line(browser: Browser, stage: Stage) -> None:
    for address in ("127.0.0.1:51234", "192.168.178.123:51234", "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:51234"):
        user = stage.does("joins", room="a-room-with-a-long-name")
        stage.does("changes", user=user, nick=address, address=address, lag_bytes=300_000, messages=1234, skipped=1234)
    stage.does("joins", nick="bob")
    with browser.opens(stage.url, width=1280) as page:
        page.sees("Live", "#state")
        unlocked(page)
        page.waits(row("bob"))
        heights = page.js("[...document.querySelectorAll('#users tbody tr')].map(row => row.offsetHeight)")
        assert max(heights) < 1.5 * min(heights)
        assert page.js("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('#users'))")
        titles = page.js("[...document.querySelectorAll('#users tbody th > *')].map(cell => cell.title)")
        assert "[2001:db8:85a3:8d3:1319:8a2e:370:7348]:51234" in titles


def test_rates_are_charted_and_told_in_words(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    for _ in range(30):
        stage.does("says", nick="alice", text="hello")
    page.sees("30 in total", "#messages")
    page.waits("document.querySelectorAll('#deliveries .line[d^=M]').length")
    label = page.js("document.querySelector('#messages svg').getAttribute('aria-label')")
    assert re.fullmatch(r"Messages: \S+ per second now, at most \S+ in the last \d+ s", label)


def test_a_hub_that_is_late_and_a_history_that_fails_stand_out(stage: Stage, page: Page) -> None:
    stage.does("sets", hub_lag_ms=250.0, state="the disk is full")
    page.waits("document.querySelector('#lag').dataset.mood === 'bad'")
    page.sees("250 ms", "#lag")
    page.sees("the disk is full", "#history")
    page.waits("document.querySelector('#history').dataset.mood === 'bad'")


def test_five_thousand_users_are_a_page_that_can_be_searched_and_sorted(stage: Stage, page: Page) -> None:
    stage.does("crowd", count=5000)
    page.sees("200 shown of 5,000", "#users")
    assert page.js("document.querySelectorAll('#users tbody tr').length") == 200
    page.clicks("#users .more")
    page.sees("400 shown of 5,000", "#users")
    page.clicks("#filter")
    page.types("user4321")
    page.sees("1 of 5,000 match", "#users")
    assert page.js(row("user4321"))
    page.js("document.querySelector('#filter').select()")
    page.types("room:lobby user499")
    page.sees("11 of 5,000 match", "#users")
    first = "document.querySelector('#users tbody tr').cells[0].textContent"
    page.clicks("#users thead th:nth-child(1) button")
    page.waits(f"{first} === 'user499'")
    assert page.js("document.querySelector('#users thead th').getAttribute('aria-sort')") == "ascending"
    page.clicks("#users thead th:nth-child(1) button")
    page.waits(f"{first} === 'user4999'")
    assert page.js("document.querySelector('#users thead th').getAttribute('aria-sort')") == "descending"


def test_a_room_shows_its_users(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    stage.does("makes_room", name="dev", topic="release on Thursday")
    page.sees("release on Thursday", "#rooms")
    page.waits("document.querySelectorAll('#rooms tbody tr').length === 2")
    page.clicks("#rooms tbody tr:nth-child(1) td button")
    page.sees("1 of 2 match", "#users")
    assert page.js(row("in 2") + " || " + row("in 3"))
    stage.does("changes", user=1, room="ops", rooms=["lobby", "dev", "ops"])
    page.sees("2 of 2 match", "#users")
    page.sees("lobby, dev, ops", "#users")


def opens(page: Page, room: str) -> None:
    """Press a room's name."""
    name = json.dumps(room)
    page.waits(f"[...document.querySelectorAll('#rooms th button')].find(b => b.textContent === {name})")
    page.js(f"[...document.querySelectorAll('#rooms th button')].find(b => b.textContent === {name}).click()")
    page.sees(room, "#room-dialog h2")


def test_the_name_of_a_room_opens_its_messages(stage: Stage, page: Page) -> None:
    stage.does("makes_room", name="dev", topic="release on Thursday")
    for number in range(1, 121):
        stage.does("says", nick="alice", text=f"line {number}", room="dev")
    unlocked(page)
    page.waits("document.querySelector('#rooms tbody .number:nth-of-type(2)')?.textContent === '120'")
    opens(page, "dev")
    page.sees("release on Thursday", "#room-dialog .topic")
    page.sees("[alice] line 120", "#room-dialog ol")
    texts = "[...document.querySelectorAll('#room-dialog li')].map(line => line.textContent)"
    assert page.js(f"{texts}.length") == 50
    page.waits("(l => l.scrollTop + l.clientHeight >= l.scrollHeight - 2)(document.querySelector('#room-dialog ol'))")
    page.clicks("#room-dialog .earlier")
    page.waits(f"{texts}.length === 100")
    page.clicks("#room-dialog .earlier")
    page.waits(f"{texts}.length === 120")
    assert not page.js("document.querySelector('#room-dialog .earlier').checkVisibility()")
    stage.does("says", nick="bob", text="a new one", room="dev")
    page.sees("[bob] a new one", "#room-dialog ol")
    page.clicks("#room-dialog .members")
    page.sees("1 of 1 match", "#users")


def test_without_a_token_the_page_says_what_it_hides_and_shows_the_rest(stage: Stage, page: Page) -> None:
    alice = stage.does("joins", nick="alice")
    stage.does("joins", nick="127.0.0.1:1026")
    stage.does("says", nick="alice", text="a secret")
    stage.does("bans_now", kind="address", value="192.0.2.77", reason="", for_s=0)
    page.waits(row("alice"))
    page.sees("Messages, bans, hooks and the addresses of users with a nick are hidden; a token shows them.", "#access")
    address = next(user["address"] for user in stage.does("users_now") if user["id"] == alice)
    page.waits(row("127.0.0.1:1026"))
    html = page.js("document.documentElement.outerHTML")
    assert address not in html
    assert "192.0.2.77" not in html
    for hidden in ("#bans", "#users .address", "#users .actions"):
        assert not page.js(f"document.querySelector('{hidden}')?.checkVisibility()")
    opens(page, "lobby")
    page.sees("A token shows its messages.", "#room-dialog")
    page.clicks("#room-dialog .unlock")
    page.types(TOKEN)
    page.presses("Enter")
    page.sees("Unlocked.", "#said")
    page.sees(address, "#users")
    page.sees("192.0.2.77", "#bans")
    assert not page.js("document.querySelector('#access').checkVisibility()")
    opens(page, "lobby")
    page.sees("[alice] a secret", "#room-dialog ol")


def test_the_read_only_token_shows_everything_and_no_actions(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    stage.does("bans_now", kind="nick", value="mallory", reason="", for_s=0)
    unlocked(page, READ_TOKEN)
    page.sees("The read-only token shows everything and changes nothing", "#access")
    page.sees("mallory", "#bans")
    page.sees("127.0.0.1:1025", "#users")
    for action in ("#announce-all", "#new-ban", "#new-hook", "#users .actions button", "#bans .actions button"):
        assert not page.js(f"document.querySelector('{action}').checkVisibility()")
    unlocked(page)
    page.waits("document.querySelector('#new-ban').checkVisibility()")


def test_from_another_machine_the_page_asks_for_a_token_first(stage: Stage, browser: Browser) -> None:
    stage.does("is_far")
    stage.does("joins", nick="alice")
    with browser.opens(stage.url) as page:
        page.sees("Token needed", "#state")
        page.sees("From another machine, everything on this page needs a token; press Unlock.", "#trouble")
        assert "alice" not in page.text()
        unlocked(page, READ_TOKEN)
        page.waits(row("alice"))
        page.sees("Live", "#state")
        assert page.complaints == []


def fill(stage: Stage) -> None:
    """Have a chat with much of everything."""
    topic = "Release on Thursday at noon; please do not merge anything before the tag is made. " * 3
    for number in range(60):
        stage.does("joins", nick=f"user{number}", room=["lobby", "dev"][number % 2])
    for number in range(16):
        stage.does("makes_room", name=f"release-engineering-weekly-{number}", topic=topic)
        stage.does("bans_now", kind="nick", value=f"mallory{number}", reason="advertising, again and again", for_s=3600)


@pytest.mark.parametrize("token", ["", READ_TOKEN, TOKEN])
def test_bans_and_activity_are_in_the_first_screen_and_topics_on_one_line(
    browser: Browser, stage: Stage, token: str
) -> None:
    fill(stage)
    with browser.opens(stage.url, width=1280, height=900) as page:
        page.sees("Live", "#state")
        if token:
            unlocked(page, token)
        page.waits("document.querySelectorAll('#rooms .topic').length >= 5")
        for number in range(30):
            stage.does("joins", nick=f"late{number}")
        page.sees("late29", "#activity")
        for section in ("#bans", "#activity") if token else ("#activity",):
            box = f"document.querySelector('{section} h2').getBoundingClientRect()"
            assert page.js(f"{box}.bottom") < 800, section
        line = "document.querySelector('#activity li').getBoundingClientRect().bottom"
        assert page.js(line) < 900
        hidden = "(e => [getComputedStyle(e).overflowY, e.scrollHeight - e.clientHeight])"
        assert page.js(f"{hidden}(document.querySelector('#side'))") == ["visible", 0]
        topic = "document.querySelectorAll('#rooms .topic > *')[3]"
        assert page.js(f"{topic}.getBoundingClientRect().height") < 30
        assert page.js(f"{topic}.title").startswith("Release on Thursday")
        assert page.js(f"getComputedStyle({topic}).textOverflow") == "ellipsis"


@pytest.mark.parametrize("token", ["", TOKEN])
def test_on_a_phone_the_page_is_a_few_screens_long(browser: Browser, stage: Stage, token: str) -> None:
    fill(stage)
    with browser.opens(stage.url, width=390, height=844) as page:
        page.sees("Live", "#state")
        if token:
            unlocked(page)
        for number in range(100):
            stage.does("says", nick="alice", text=f"line {number} " * 10)
            stage.does("joins", nick=f"late{number}")
        page.sees("late99", "#activity")
        assert page.js("document.documentElement.scrollHeight") < 3.2 * 844
        page.clicks("#users .more")
        page.sees("48 shown of", "#users")


def test_charts_are_full_from_their_first_seconds_on(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    line = "document.querySelector('#messages .line').getAttribute('d')"
    page.waits(f"{line}?.split('L').length > 2")
    first = page.js(f"{line}.match(/^M([\\d.]+)/)[1]")
    assert float(first) < 1, "the line begins at the left edge"
    page.waits("/\\/s, \\d+ s$/.test(document.querySelector('#messages .top').textContent)")


# --- When the server is not there ------------------------------------------------------------------------------------


def test_a_restart_of_the_server_is_said_and_survived(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    page.waits(row("alice"))
    stage.dies()
    page.sees("The server does not answer. Trying again every 2 seconds. This page shows the state at", "#trouble")
    page.sees("No answer", "#state")
    page.waits(row("alice"))
    stage.starts()
    stage.does("joins", nick="bob")
    page.sees("Live", "#state")
    page.sees("The server was restarted.", "#said")
    page.waits(f"{row('bob')} && !{row('alice')}")
    page.waits("document.querySelector('#trouble').hidden")


def test_a_token_outlives_a_restart(stage: Stage, page: Page) -> None:
    unlocked(page)
    stage.dies()
    page.sees("No answer", "#state")
    stage.starts()
    page.sees("Live", "#state")
    stage.does("joins", nick="alice")
    stage.does("says", nick="alice", text="hello again")
    page.sees("hello again", "#activity")


def test_when_all_event_streams_are_taken_it_says_so_and_looks_by_itself(stage: Stage, browser: Browser) -> None:
    with ExitStack() as stack:
        for _ in range(16):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", stage.port)))
            sock.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{stage.port}\r\n\r\n".encode())
            assert sock.recv(15) == b"HTTP/1.1 200 OK"
        page = stack.enter_context(browser.opens(stage.url))
        page.sees("Not live", "#state")
        page.sees("All 16 event streams are in use", "#trouble")
        stage.does("joins", nick="alice")
        page.waits(row("alice"))
        stack.close()
        page = stack.enter_context(browser.opens(stage.url))
        page.sees("Live", "#state")


# --- Who wishes harm -------------------------------------------------------------------------------------------------


def test_what_users_write_is_never_run_and_asks_for_nothing(browser: Browser, stage: Stage) -> None:
    assert len(PAYLOADS) == 100
    for i, payload in enumerate(PAYLOADS):
        stage.does("joins", nick=payload)
        stage.does("makes_room", name=f"{i}{payload}", topic=payload)
        stage.does("bans_now", kind="nick", value=payload, reason=payload, for_s=0)
    stage.does("sets", name=PAYLOADS[0], state=PAYLOADS[2])
    with browser.opens(stage.url) as page:
        page.sees("Live", "#state")
        unlocked(page)
        for table in ("rooms", "bans"):
            while page.js(f"!document.querySelector('#{table} .more').hidden"):
                page.js(f"document.querySelector('#{table} .more').click()")
        for payload in PAYLOADS:
            stage.does("says", nick=payload, text=payload)
            stage.does("leaves", user=stage.does("joins", nick=payload), reason=payload)
        page.waits("document.querySelectorAll('#activity li').length === 100")
        nicks = page.js("[...document.querySelectorAll('#users tbody th')].map(cell => cell.textContent)")
        assert set(PAYLOADS) <= set(nicks)
        topics = page.js("[...document.querySelectorAll('#rooms .topic')].map(cell => cell.textContent)")
        assert set(PAYLOADS) <= set(topics)
        page.js("document.querySelector('#users .actions button').click()")
        page.presses("Escape")
        page.clicks("#announce-all")
        page.presses("Escape")
        for payload in PAYLOADS[:40]:
            stage.does("says", nick=payload, text=payload)
        opens(page, "lobby")
        page.waits("document.querySelectorAll('#room-dialog li').length >= 40")
        assert page.js("window.ran") is None
        made = "#users *, #rooms *, #bans *, #hooks *, #activity *, #announce-dialog *, #room-dialog *"
        tags = set(page.js(f"[...document.querySelectorAll('{made}')].map(element => element.localName)"))
        assert not tags & {"script", "img", "svg", "iframe", "a", "style", "object", "embed", "video", "base", "link"}
        assert page.js("document.scripts.length") == 1
        assert page.complaints == []
        assert page.dialogs == []
        assert all(url.startswith((stage.url, "data:")) for url in page.requests), page.requests


def test_the_files_have_nothing_inline_and_name_nobody_else() -> None:
    files = resources.files("gchat.admin").joinpath("page")
    html = files.joinpath("page.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", html)
    for name in ("page.html", "page.css", "page.js"):
        text = files.joinpath(name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert not re.search(r"localStorage|document\.cookie|indexedDB", text)


# --- Actions ---------------------------------------------------------------------------------------------------------


def test_a_wrong_token_is_said_and_unlocks_nothing(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    page.waits(row("alice"))
    unlock(page, "wrong")
    page.sees("Wrong token", "#token-dialog .error")
    page.js("document.querySelector('#token-dialog input').select()")
    page.types("ключ")
    page.presses("Enter")
    page.sees("one word of ASCII", "#token-dialog .error")
    page.presses("Escape")
    assert not page.js("document.querySelector('#users .actions').checkVisibility()")
    page.waits("document.querySelector('#token-dialog input').value === ''")


def test_many_wrong_tokens_are_answered_with_how_long_to_wait(page: Page) -> None:
    unlock(page, "wrong")
    for _ in range(5):
        page.waits("!document.querySelector('#token-dialog .main').disabled")
        page.presses("Enter")
    page.sees("too many wrong ones", "#token-dialog .error")


@pytest.mark.parametrize("token", [READ_TOKEN, TOKEN])
def test_the_token_survives_a_reload_and_is_forgotten_when_locked(stage: Stage, page: Page, token: str) -> None:
    unlocked(page, token)
    assert page.js("JSON.stringify([{...localStorage}, document.cookie, location.href])").count(token) == 0
    assert token not in page.js("document.documentElement.outerHTML")
    page.call("Page.reload")
    page.waits("document.querySelector('#bans')?.checkVisibility()")
    page.sees("Live", "#state")
    stage.does("says", nick="alice", text="hello")
    page.sees("lobby [alice] hello", "#activity")
    page.clicks("#lock")
    page.waits("!document.querySelector('#bans').checkVisibility()")
    assert "hello" not in page.text()
    assert page.js("JSON.stringify({...sessionStorage})") == "{}"
    page.call("Page.reload")
    page.waits("document.querySelector('#state')?.dataset.state === 'live'")
    assert not page.js("document.querySelector('#bans').checkVisibility()")
    assert not any(token in url for url in page.requests)


def test_a_token_that_is_no_longer_right_is_forgotten_and_the_page_says_so(stage: Stage, browser: Browser) -> None:
    with browser.opens(stage.url) as page:
        page.sees("Live", "#state")
        page.js("sessionStorage.setItem('token', 'x'.repeat(43))")
        page.call("Page.reload")
        page.sees("The token is no longer accepted: Wrong token", "#trouble")
        assert page.js("JSON.stringify({...sessionStorage})") == "{}"
        page.sees("Live", "#state")


@pytest.mark.parametrize("broken", ["get: () => { throw new DOMException('denied', 'SecurityError'); }", "value: null"])
def test_a_browser_that_refuses_storage_has_the_page_all_the_same(browser: Browser, stage: Stage, broken: str) -> None:
    with browser.opens("about:blank") as page:
        source = f"Object.defineProperty(window, 'sessionStorage', {{ {broken} }})"
        page.call("Page.addScriptToEvaluateOnNewDocument", source=source)
        page.call("Page.navigate", url=stage.url)
        page.sees("Live", "#state")
        unlocked(page)
        page.waits("document.querySelector('#new-ban').checkVisibility()")
        page.clicks("#lock")
        page.waits("!document.querySelector('#bans').checkVisibility()")
        assert page.complaints == []


def test_a_user_is_kicked_with_a_reason(stage: Stage, page: Page) -> None:
    alice = stage.does("joins", nick="alice")
    unlocked(page)
    page.clicks("#users button[aria-label='Kick alice']")
    page.sees("Kick alice", "#kick-dialog h2")
    page.types("too loud")
    page.presses("Enter")
    page.sees("alice was kicked.", "#said")
    assert stage.knows("kicked") == [[alice, "too loud"]]
    page.waits(f"!{row('alice')}")


def test_who_is_gone_already_cannot_be_kicked_and_the_dialog_says_so(stage: Stage, page: Page) -> None:
    alice = stage.does("joins", nick="alice")
    unlocked(page)
    page.clicks("#users button[aria-label='Kick alice']")
    stage.does("leaves", user=alice)
    page.presses("Enter")
    page.sees(f"There is no user {alice}", "#kick-dialog .error")


def test_bans_are_made_by_nick_address_and_network_and_lifted(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    unlocked(page)
    for kind, value in (("nick", "alice"), ("address", "127.0.0.1"), ("network", "127.0.0.0/24")):
        page.clicks("#users button[aria-label='Ban alice']")
        page.js(f"(s => (s.value = '{kind}', s.onchange()))(document.querySelector('#ban-dialog [name=kind]'))")
        assert page.js("document.querySelector('#ban-dialog [name=value]').value") == value
        page.js("document.querySelector('#ban-dialog [name=reason]').focus()")
        page.types("flooding")
        page.presses("Enter")
        page.sees(f"{value} is banned.", "#said")
        page.sees(value, "#bans")
    assert [(ban["kind"], ban["reason"]) for ban in stage.does("bans")] == [
        ("nick", "flooding"),
        ("address", "flooding"),
        ("network", "flooding"),
    ]
    page.clicks("#bans button[aria-label='Lift the ban of 127.0.0.1']")
    page.sees("127.0.0.1 is no longer banned.", "#said")
    page.waits("document.querySelectorAll('#bans tbody tr').length === 2")


def test_a_ban_that_cannot_be_is_said_in_the_dialog(page: Page) -> None:
    unlocked(page)
    page.clicks("#new-ban")
    page.js("document.querySelector('#ban-dialog [name=value]').focus()")
    page.types("nonsense")
    page.presses("Enter")
    page.sees("That is no address", "#ban-dialog .error")


def test_a_hook_is_made_its_url_shown_once_and_it_is_revoked(stage: Stage, page: Page) -> None:
    unlocked(page)
    page.clicks("#new-hook")
    for field, text in (("room", "ops"), ("name", "Grafana Cloud"), ("signing_secret", "s3cret")):
        page.js(f"document.querySelector('#hook-dialog [name={field}]').focus()")
        page.types(text)
    page.presses("Enter")
    page.sees("Grafana Cloud (http) in ops", "#made-dialog")
    url = page.js("document.querySelector('#made-dialog [name=url]').value")
    assert url == f"{stage.url}hooks/secret-1"
    assert page.js("getSelection().toString()") == url
    page.clicks("#made-dialog .cancel")
    page.sees("Grafana Cloud (http)", "#hooks")
    assert page.js("document.documentElement.outerHTML.includes('secret-1')") is False
    page.waits("document.querySelector('#made-dialog [name=url]').value === ''")
    page.waits("document.querySelector('#hook-dialog [name=signing_secret]').value === ''")
    page.clicks("#new-hook")
    for field, text in (("room", "ops"), ("name", "Grafana Cloud")):
        page.js(f"document.querySelector('#hook-dialog [name={field}]').focus()")
        page.types(text)
    page.presses("Enter")
    page.sees("already", "#hook-dialog .error")
    page.clicks("#hook-dialog .cancel")
    page.clicks("#hooks .actions button")
    page.clicks("#revoke-dialog .grave")
    page.sees("Grafana Cloud (http) in ops is revoked.", "#said")
    page.waits("document.querySelectorAll('#hooks tbody tr').length === 0")
    assert stage.does("hooks") == []


def test_announcements_go_to_one_room_or_to_all(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    unlocked(page)
    for room in ("", "lobby"):
        page.waits("!document.querySelector('#announce-dialog').open")
        page.clicks("#announce-all")
        page.waits("document.querySelector('#announce-dialog').open")
        page.js(f"document.querySelector('#announce-dialog select').value = '{room}'")
        page.js("document.querySelector('#announce-dialog [name=text]').focus()")
        page.types("back at nine")
        page.waits("document.querySelector('#announce-dialog [name=text]').value === 'back at nine'")
        page.presses("Enter")
        page.sees(f"Announced to {room or 'all rooms'}.", "#said")
    wait_until(lambda: len(stage.knows("announced")) == 2, "both are announced")
    assert stage.knows("announced") == [["back at nine", ""], ["back at nine", "lobby"]]


# --- For everybody ---------------------------------------------------------------------------------------------------


def test_everything_can_be_done_with_the_keyboard(stage: Stage, page: Page) -> None:
    stage.does("joins", nick="alice")
    page.waits(row("alice"))
    page.presses("Tab")
    assert page.js("document.activeElement.id") == "unlock"
    assert page.js("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.presses("Space")
    page.types(TOKEN)
    page.presses("Enter")
    page.sees("Unlocked.", "#said")
    for _ in range(40):
        page.presses("Tab")
        if page.js("document.activeElement.ariaLabel") == "Kick alice":
            break
    page.presses("Enter")
    page.waits("document.querySelector('#kick-dialog').open")
    page.presses("Escape")
    page.waits("!document.querySelector('#kick-dialog').open")
    assert page.js("document.activeElement.ariaLabel") == "Kick alice"
    stage.does("joins", nick="aaron")  # comes before her: her row moves, and the focus stays with it
    page.waits(row("aaron"))
    assert page.js("document.activeElement.ariaLabel") == "Kick alice"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_a_checker_of_accessibility_finds_nothing(browser: Browser, stage: Stage, width: int, dark: bool) -> None:
    stage.does("joins", nick="alice", lag_bytes=2_000_000)
    stage.does("makes_room", name="dev", topic="release on Thursday")
    stage.does("bans_now", kind="nick", value="mallory", reason="spam", for_s=3600)
    with browser.opens(stage.url, width=width, dark=dark) as page:
        page.sees("Live", "#state")
        assert page.js(CHECKS) == []
        unlocked(page)
        page.sees("mallory", "#bans")
        assert page.js(CHECKS) == []
        nameless = {"button", "link", "textbox", "searchbox", "combobox", "table", "region", "image", "columnheader"}
        tree = page.call("Accessibility.getFullAXTree")["nodes"]
        nodes = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in tree if not n["ignored"]]
        assert [role for role, name in nodes if role in nameless and not name] == []
        roles = [role for role, _ in nodes]
        assert {"banner", "main", "rowheader", "cell", "columnheader", "status"} <= set(roles)
        openers = {
            "announce": "#announce-all",
            "ban": "#new-ban",
            "kick": "#users .actions button",
            "room": "th button.link",
        }
        for dialog, opener in openers.items():
            page.clicks(opener)
            page.waits(f"document.querySelector('#{dialog}-dialog').open")
            assert page.js(CHECKS) == []
            page.presses("Escape")
        stage.dies()
        page.sees("does not answer", "#trouble")
        assert page.js(CHECKS) == []


@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1180, 1920])
def test_nothing_is_wider_than_the_window(browser: Browser, stage: Stage, width: int) -> None:
    long = "W" * 90
    stage.does("makes_room", name=long, topic=long)
    stage.does("joins", nick=long, room=long)
    stage.does("sets", name=long, state=long)
    stage.does("bans_now", kind="nick", value=long, reason=long, for_s=0)
    with browser.opens(stage.url, width=width) as page:
        page.sees("Live", "#state")
        unlocked(page)
        page.sees(long, "#bans")
        stage.does("says", nick=long, text=long, room=long)
        page.sees(f"{long} [{long}] {long}", "#activity")
        page.waits("document.querySelectorAll('#users tbody tr').length === 2")
        assert page.js("document.documentElement.scrollWidth <= innerWidth")
        wide = (
            "[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.unseen')"
            " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
        )
        assert page.js(wide) == []
        cramped = (
            "[...document.querySelectorAll('th, td')].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth)"
            ".map(e => e.outerHTML.slice(0, 80))"
        )
        assert page.js(cramped) == []


def test_a_user_is_muted_and_banned_with_a_reason_and_a_duration_and_the_audit_says_so(
    stage: Stage, page: Page
) -> None:
    stage.does("joins", nick="mallory")
    unlocked(page)
    page.sees("mallory", "#users")
    for verb, duration in (("mute", "86400"), ("ban", "0")):
        page.clicks(f"#users button[aria-label='{verb.title()} mallory']")
        page.js(f"document.querySelector('#{verb}-dialog [name=for_s]').value = '{duration}'")
        page.js(f"document.querySelector('#{verb}-dialog [name=reason]').focus()")
        page.types("<b>spam</b>")
        page.presses("Enter")
        page.sees("mallory is mute" if verb == "mute" else "mallory is banned", "#said")
    page.sees("muted nick", "#bans")
    page.sees("banned nick", "#bans")
    page.clicks("#bans button[aria-label='Lift the mute of mallory']")
    page.sees("mallory is no longer muted.", "#said")
    page.clicks("#show-audit")
    page.sees("admin (http) ban mallory: <b>spam</b>", "#audit-dialog")
    page.sees("admin (http) mute mallory until ", "#audit-dialog")
    assert [row["action"] for row in stage.does("audit", before=0, limit=9)] == ["unmute", "ban", "mute"]


def test_the_nodes_of_a_cluster_and_where_users_are_is_seen(browser: Browser, stage: Stage) -> None:
    with browser.opens(stage.url, width=1180) as page:
        stage.does("joins", nick="ann")
        page.sees("ann", "#users")
        assert page.js("getComputedStyle(document.querySelector('#nodes')).display") == "none"
        assert "Node" not in page.text("#users thead")
        user = stage.does("joins", nick="ben")
        far: dict[str, Any] = dict.fromkeys(("dialect", "idle_s", "messages", "lag_bytes", "skipped", "connected_s"))
        stage.does("changes", user=user, node="two", **far)
        stage.does("has_nodes", lags={"one": 0.0, "two": 75.0})
        page.sees("one (this one)", "#nodes")
        page.sees("1 min", "#nodes")
        page.waits("document.querySelector('#users tbody').innerText.includes('two')")
        ben = "[...document.querySelectorAll('#users tbody tr')].find(row => row.cells[0].textContent === 'ben')"
        assert page.js(f"{ben}.querySelector('td[data-label=Lag]').textContent") == "–"
        page.clicks("#nodes tbody tr:nth-child(2) button")
        page.waits("document.querySelectorAll('#users tbody tr').length === 1")
        page.sees("ben", "#users tbody")
        assert not page.complaints
