"""A terminal with a line to type in at the bottom, and what is said above it. Knows nothing of what is talked about.

prompt_toolkit runs on an asyncio loop over gevent's selector, in the main greenlet; what is to be shown comes from
others. The terminal stays raw while lines are printed above the prompt, and is never asked where its cursor is: so what
is half typed survives a flood, no key is lost, and nothing flickers when the terminal is far away.
"""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from gevent.selectors import GeventSelector
from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Dimension, Float, FloatContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar, TextArea

from gchat.client.input import MANY_LINES, Candidate, lines_of
from gchat.client.render import STYLES, Line

#: Lines printed in one turn of the loop: between turns keys are heard.
LINES_AT_ONCE = 300

#: Rows for the menu of completions.
MENU_ROWS = 8


class Talk(Protocol):
    """Who takes what is typed, and says what stands around it. Its texts must be printable."""

    def typed(self, texts: list[str]) -> None:
        """Take the lines that were typed, or pasted at once."""

    def prompt(self) -> Line:
        """Return what stands before what is typed."""

    def waiting(self) -> list[Line]:
        """Return the lines right above the prompt, which do not stand in the talk yet."""

    def toolbar(self) -> Line:
        """Return the lowest line."""

    def candidates(self, before: str) -> Iterable[Candidate]:
        """Return how the text before the cursor could go on."""


class Screen:
    """The terminal while one talks. `show`, `refresh` and `leave` may be called from any greenlet, at any time."""

    def __init__(self, talk: Talk, *, colour: bool, vi: bool) -> None:
        self._talk = talk
        self._loop = asyncio.SelectorEventLoop(GeventSelector())
        self._lines: deque[Line] = deque()  # still to be printed
        self._bell = False
        self._scheduled = False
        self._leaving = False
        self._failure: BaseException | None = None
        self._question: list[str] | None = None  # the lines that are sent if the answer is yes
        self._style = Style.from_dict(STYLES)
        self._depth = None if colour else ColorDepth.DEPTH_1_BIT
        self._output = Vt100_Output.from_pty(sys.stdout, term=os.environ.get("TERM"))
        self._output.enable_cpr = False
        self._search = SearchToolbar(ignore_case=True)
        self._field = TextArea(
            prompt=lambda: [*self._talk.prompt()],
            height=lambda: Dimension(min=1 + (MENU_ROWS if self._field.buffer.complete_state else 0)),
            dont_extend_height=True,
            completer=_TabCompleter(talk),
            complete_while_typing=False,
            history=_history(),
            accept_handler=self._accept,
            search_field=self._search,
        )
        self._app: Application[None] = Application(
            self._layout(),
            style=self._style,
            color_depth=self._depth,
            include_default_pygments_style=False,
            key_bindings=self._bindings(),
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            erase_when_done=True,
            max_render_postpone_time=None,  # or there would be no prompt for so long below what was just printed
            refresh_interval=1,
            output=self._output,
        )

    def run(self) -> None:
        """Talk until somebody leaves. Raises OSError if the terminal is gone."""
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._failed)
        try:
            self._schedule()
            running = self._app.run_async(handle_sigint=False, set_exception_handler=False)
            with suppress(EOFError):  # the terminal has hung up
                self._loop.run_until_complete(running)
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()
        if self._failure is not None:
            raise self._failure

    def _failed(self, _loop: object, context: dict[str, Any]) -> None:
        """End `run` with an error that nobody awaited: prompt_toolkit would show it, and wait for a key, for ever.

        On a terminal that is gone, showing it fails too, again and again: 22 GB in half an hour (measured).
        """
        self._failure = self._failure or context.get("exception") or RuntimeError(context["message"])
        if self._app.is_running and not self._app.is_done:
            self._app.exit()

    def finish(self, lines: Iterable[Line]) -> None:
        """Print what waits, and these lines, when `run` is over."""
        self._lines.extend(lines)
        self._print(len(self._lines))

    def show(self, lines: Iterable[Line], *, bell: bool = False) -> None:
        """Print lines above the prompt, soon."""
        self._lines.extend(lines)
        self._bell = self._bell or bell
        self._schedule()

    def refresh(self) -> None:
        """Draw the prompt and what stands around it again, soon."""
        self._schedule()

    def leave(self) -> None:
        """End `run`."""
        self._leaving = True
        self._schedule()

    # --- On the loop -----------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._scheduled and not self._loop.is_closed():
            self._scheduled = True
            self._loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if not self._app.is_running or self._app.is_done:
            return
        if self._leaving:
            self._app.exit()
            return
        if self._lines:
            self._app.renderer.erase()
            self._print(LINES_AT_ONCE)
        if self._lines:
            self._schedule()
        self._app.invalidate()

    def _print(self, count: int) -> None:
        """Print the first `count` lines that wait. The cursor must stand where nothing is."""
        fragments: StyleAndTextTuples = []
        for _ in range(min(count, len(self._lines))):
            fragments += [*self._lines.popleft(), ("", "\n")]
        if self._bell:
            self._bell = False
            self._output.bell()
        print_formatted_text(self._output, fragments, self._style, color_depth=self._depth)

    # --- What is typed ---------------------------------------------------------------------------------------------

    def _accept(self, buffer: Buffer) -> bool:
        """Take what was typed, or ask first; return whether it stays in the line."""
        typed = buffer.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")  # bytes that are no UTF-8
        lines = lines_of(typed)
        if len(lines) > MANY_LINES:
            self._question = lines
            return True
        if lines:
            self._talk.typed(lines)
        return False

    def _answer(self, *, yes: bool) -> None:
        lines, self._question = self._question, None
        if yes and lines:
            self._field.buffer.reset()
            self._talk.typed(lines)

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        asked = Condition(lambda: self._question is not None)
        typing = has_focus(self._field) & ~asked
        empty = Condition(lambda: not self._field.text)

        @bindings.add("enter", filter=typing)
        def _(_event: KeyPressEvent) -> None:
            self._field.buffer.validate_and_handle()

        @bindings.add("escape", "enter", filter=typing)
        def _(_event: KeyPressEvent) -> None:
            self._field.buffer.insert_text("\n")

        @bindings.add("c-c", filter=typing & ~empty)
        def _(_event: KeyPressEvent) -> None:
            self._field.buffer.reset()

        @bindings.add("c-c", filter=typing & empty)
        @bindings.add("c-d", filter=typing & empty)
        def _(_event: KeyPressEvent) -> None:
            self.leave()

        @bindings.add("c-z", filter=~asked)
        def _(event: KeyPressEvent) -> None:
            event.app.suspend_to_background()

        @bindings.add("y", filter=asked, eager=True)
        @bindings.add("Y", filter=asked, eager=True)
        def _(_event: KeyPressEvent) -> None:
            self._answer(yes=True)

        @bindings.add(Keys.Any, filter=asked)
        @bindings.add("n", filter=asked, eager=True)
        @bindings.add("enter", filter=asked)
        @bindings.add("escape", filter=asked)
        @bindings.add("c-c", filter=asked)
        @bindings.add("c-d", filter=asked)
        def _(_event: KeyPressEvent) -> None:
            self._answer(yes=False)

        return bindings

    # --- What stands around it -------------------------------------------------------------------------------------

    def _layout(self) -> Layout:
        def rows_above() -> Dimension:
            return Dimension.exact(len(self._above()))

        def above() -> StyleAndTextTuples:
            fragments: StyleAndTextTuples = []
            for line in self._above():
                fragments += [*line, ("", "\n")]
            return fragments[:-1]

        rows = HSplit(
            [
                Window(FormattedTextControl(above), height=rows_above, dont_extend_height=True),
                self._field,
                self._search,
                Window(FormattedTextControl(lambda: [*self._talk.toolbar()]), height=1),
            ]
        )
        menu = Float(CompletionsMenu(max_height=MENU_ROWS, scroll_offset=1), xcursor=True, ycursor=True)
        return Layout(FloatContainer(rows, floats=[menu]), focused_element=self._field)

    def _above(self) -> list[Line]:
        if self._question is None:
            return self._talk.waiting()
        return [*self._talk.waiting(), [("class:question", f"Send these {len(self._question)} lines? (y/n)")]]


class _TabCompleter(Completer):
    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        for found in self._talk.candidates(document.text_before_cursor):
            yield Completion(found.text, -found.length, display=found.text.strip(), display_meta=found.help)


# --- History ---------------------------------------------------------------------------------------------------------


class _QuietHistory(FileHistory):
    """A file that may become unwritable: then what is typed is remembered until the end only."""

    def load_history_strings(self) -> Iterable[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


def _history() -> History:
    """Return what was typed before, from a file that nobody else may read; without one if there can be none."""
    try:
        state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
        path = state / "gchat" / "history"
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            usable = stat.S_ISREG(os.fstat(descriptor).st_mode)
        finally:
            os.close(descriptor)
    except (OSError, RuntimeError, ValueError):  # there is no home, it is read-only, a NUL stands in its name
        return InMemoryHistory()
    return _QuietHistory(path) if usable else InMemoryHistory()
