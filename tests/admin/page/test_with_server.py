"""The live page of a real server, with users who are there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.admin.page.browser import Browser, Page
from tests.e2e.harness import Server, User, wait_until


def found(server: Server, pattern: str) -> str:
    wait_until(lambda: re.search(pattern, server.log), f"{pattern} in the log")
    match = re.search(pattern, server.log)
    assert match
    return match[1]


def drain(user: User) -> None:
    """Read what there is, so that the user is no slow reader."""
    user.sock.setblocking(False)
    try:
        while user.sock.recv(1 << 20):
            pass
    except BlockingIOError:
        pass
    user.sock.setblocking(True)


def flood(talker: User, page: Page, until: str) -> None:
    """Talk until something is true in the page."""

    def talks() -> object:
        talker.says(*["x" * 4000] * 20)
        drain(talker)
        return page.js(f"Boolean({until})")

    wait_until(talks, until)


def test_users_of_a_server_come_talk_lag_are_kicked_and_leave() -> None:
    with (
        Server(admin_enabled="true", admin_port=0, limits_messages_per_s=0) as server,
        Browser() as browser,
        browser.opens(found(server, r"admin page: (http://\S+)")) as page,
        server.join("alice") as alice,
        server.connect(receive_buffer=4096) as carol,
    ):
        page.sees("Live", "#state")
        carol.says("/nick carol")
        page.sees("carol", "#users")
        page.sees("2", "#online .value")
        with server.join("bob") as bob:
            bob.says("hello")
            alice.sees("[bob] hello")
            page.sees("bob", "#users")
        page.sees("left:", "#activity")
        page.waits("!document.querySelector('#users').innerText.includes('bob')")
        carols = "[...document.querySelectorAll('#users tbody tr')].find(row => row.cells[0].textContent === 'carol')"
        flood(alice, page, f"{carols}?.querySelector('td[data-label=Lag]').dataset.mood === 'warn'")
        page.sees("1", "#slow .value")
        page.clicks("#unlock")
        page.types(Path(found(server, r"created the admin token in (\S+)")).read_text().strip())
        page.presses("Enter")
        page.sees("Unlocked.", "#said")
        page.clicks("#users button[aria-label='Kick carol']")
        page.types("please read faster")
        page.presses("Enter")
        page.sees("carol was kicked.", "#said")
        carol.sees_end()
        page.waits(f"!{carols}")
        page.clicks("#announce-all")
        page.js("document.querySelector('#announce-dialog [name=text]').focus()")
        page.types("back at nine")
        page.presses("Enter")
        page.sees("Announced to all rooms.", "#said")
        alice.sees_bytes(b"back at nine")
        assert page.complaints == []
