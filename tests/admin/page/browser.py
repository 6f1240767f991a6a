"""Headless Chromium, driven over the DevTools protocol on a pipe: no driver, no package, no port.

    with Browser() as browser, browser.opens(url) as page:
        page.sees("alice", "#users")
        page.clicks("#unlock")

What the page asked for, what its scripts complained of and which dialogs they opened is kept, for tests to look at.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from tests.e2e.harness import DEADLINE_S
from tests.e2e.tools import need

FLAGS = [
    "--headless",
    "--no-sandbox",  # root in a container has no other way
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    # It asks for nothing but what a test opens.
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
]


class Browser:
    """One Chromium with a profile of its own."""

    def __init__(self) -> None:
        self.program = need("chromium")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._number = 0
        self._received = b""
        self._pages: dict[str, Page] = {}

    def __enter__(self) -> Self:
        theirs, ours = os.pipe()
        self._commands = ours
        ours, theirs_out = os.pipe()
        self._answers = ours
        # Chromium reads commands at descriptor 3 and answers at 4; bash puts them there, from above both.
        read, write = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (theirs, theirs_out))
        script = f'exec "$0" "$@" 3<&{read} 4>&{write} {read}<&- {write}>&-'
        self.process = subprocess.Popen(
            [need("bash"), "-c", script, self.program, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(read, write),
        )
        for fd in (theirs, theirs_out, read, write):
            os.close(fd)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.call("Browser.close")
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
            self.process.wait()
            os.close(self._commands)
            os.close(self._answers)
            self._profile.cleanup()

    def opens(self, url: str, *, width: int = 1400, height: int = 900, dark: bool = False) -> Page:
        """Open `url` in a tab of its own, with nothing kept from another."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session, context)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.looks(width, height, dark=dark)
        page.call("Page.navigate", url=url)
        return page

    def call(self, method: str, session: str = "", **params: object) -> dict[str, Any]:
        """Send a command, return its result; what comes in between is given to its page."""
        self._number += 1
        number = self._number
        command = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._commands, data) :]
        ends_at = time.monotonic() + DEADLINE_S
        while True:
            message = self._next(ends_at, method)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                result: dict[str, Any] = message["result"]
                return result
            page = self._pages.get(message.get("sessionId", ""))
            if page and "method" in message:
                page.happens(message["method"], message["params"])

    def _next(self, ends_at: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._received:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, ends_at - time.monotonic()))
            data = os.read(self._answers, 1 << 20) if ready else b""
            if not data:
                raise AssertionError(f"Chromium did not answer in {DEADLINE_S:g} s: {what}")
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        value: dict[str, Any] = json.loads(message)
        return value


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context
        self.requests: list[str] = []  # every URL that was asked for
        self.complaints: list[str] = []  # what scripts threw, and what the browser refused
        self.dialogs: list[str] = []  # alert() and the like: nothing here calls it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._browser.call("Target.disposeBrowserContext", browserContextId=self._context)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.call(method, self._session, **params)

    def happens(self, method: str, params: dict[str, Any]) -> None:
        """Keep what the browser tells of this tab."""
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if params["entry"]["source"] != "network":  # a server that is gone is no complaint
                self.complaints.append(params["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.dialogs.append(params["message"])

    def looks(self, width: int, height: int, *, dark: bool = False) -> None:
        """Have the window so large, and its colours light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def waits(self, expression: str, what: str = "") -> None:
        """Wait until an expression is true in the page."""
        ends_at = time.monotonic() + DEADLINE_S
        while not self.js(f"Boolean({expression})"):
            if time.monotonic() > ends_at:
                raise AssertionError(f"not in {DEADLINE_S:g} s: {what or expression}; the page says: {self.text()}")
            time.sleep(0.02)

    def text(self, selector: str = "body") -> str:
        """Return what can be read there."""
        return str(self.js(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def sees(self, text: str, selector: str = "body") -> None:
        """Wait until `text` can be read there."""
        where = json.dumps(selector)
        self.waits(
            f"document.querySelector({where})?.innerText.includes({json.dumps(text)})", f"{text!r} in {selector}"
        )

    def clicks(self, selector: str) -> None:
        """Press with the mouse what is shown there, and not covered."""
        where = json.dumps(selector)
        self.waits(f"document.querySelector({where})?.checkVisibility()", f"{selector} is shown")
        box = self.js(
            f"(e => (e.scrollIntoView({{block: 'center'}}), e.getBoundingClientRect().toJSON()))"
            f"(document.querySelector({where}))"
        )
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def types(self, text: str) -> None:
        """Type where the focus is."""
        self.call("Input.insertText", text=text)

    def presses(self, key: str, *, shift: bool = False) -> None:
        """Press Tab, Enter, Escape or Space."""
        code, text = {"Tab": (9, ""), "Enter": (13, "\r"), "Escape": (27, ""), "Space": (32, " ")}[key]
        event = {"key": text if key == "Space" else key, "code": key, "windowsVirtualKeyCode": code}
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, modifiers=8 if shift else 0, **event, **typed)

    def shoots(self, path: Path, *, full: bool = False) -> None:
        """Save a picture of the window, or of the whole page."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=full)["data"]
        path.write_bytes(base64.b64decode(picture))
