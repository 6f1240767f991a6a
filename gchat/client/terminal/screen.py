"""A terminal with an input line at the bottom and the conversation above it. Knows nothing of chat.

prompt_toolkit runs on an asyncio loop over gevent's selector, in the main greenlet; lines to show come from others. The
terminal stays raw while lines are printed above the prompt, and is never asked where its cursor is: a draft survives a
flood, no key is lost, and nothing flickers over a slow connection.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
from gevent.selectors import GeventSelector
from prompt_toolkit.document import Document
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, Filter, has_completions, has_focus, vi_mode
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent, merge_key_bindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style
from prompt_toolkit.widgets import SearchToolbar

from gchat.client.attention import NotifyBy
from gchat.client.files.settings_file import ClientSettings
from gchat.client.paste import Question
from gchat.client.render import Line, aside
from gchat.client.secret_dialogue import SecretDialogue
from gchat.client.styles import STYLES
from gchat.client.terminal.answer_field import AnswerField, Done
from gchat.client.terminal.arrangement import Talk, arranged
from gchat.client.terminal.canvas import Canvas
from gchat.client.terminal.drawing import Drawing
from gchat.client.terminal.editor import EditorFailed, edited
from gchat.client.terminal.field import Field
from gchat.client.terminal.job_control import JobControl
from gchat.client.terminal.key_parser import ENTER_OF_BURST
from gchat.client.terminal.keyboard import Keyboard
from gchat.client.terminal.layout import wrapped
from gchat.client.terminal.toolbar import NUMBERED
from gchat.client.terminal.window import TerminalWindow
from gchat.model.text import is_blank

#: Rows printed in one turn of the loop; keys are read between turns.
ROWS_AT_ONCE = 300

#: How long after Ctrl+C has cleared a draft another Ctrl+C does not leave.
CLEARED_S = 1.0

#: A notification comes at most so often, whatever others say.
NOTED_S = 1.0

#: How long a terminal may take to send the rest of a sequence; a key that begins like one is known only then.
SEQUENCE_S = 0.2


class Screen:
    """The terminal during a chat. `show`, `refresh` and `leave` may be called from any greenlet, at any time."""

    def __init__(self, talk: Talk, settings: ClientSettings) -> None:
        self._talk = talk
        self._loop = asyncio.SelectorEventLoop(GeventSelector())
        self._lines: deque[Line] = deque()  # still to be printed
        self._bell = False
        self._has_title = settings.title
        self._title = ""
        self._note: tuple[NotifyBy, str] | None = None  # still to be shown
        self._noted_at = float("-inf")
        self._scheduled = False
        self._leaving = False
        self._runner: object = None  # the greenlet of the loop
        self._failure: BaseException | None = None
        self._question: Question | None = None  # whether to send the draft
        self._editing = False
        self._cleared_at = float("-inf")
        self._resumed = False  # after a stop that was asked for, SIGCONT brings nothing new
        self._style = Style.from_dict(STYLES)
        self._depth = None if settings.color else ColorDepth.DEPTH_1_BIT
        self._output = Vt100_Output.from_pty(sys.stdout, term=os.environ.get("TERM"))  # for whole lines
        self._window = TerminalWindow(self._output, os.environ.get("TERM", ""))
        self._canvas = Canvas.on_stdout()
        self._keyboard = Keyboard(sys.stdin)
        self._job = JobControl(self.suspend, self.resume)
        self._search = SearchToolbar(ignore_case=True)
        self._field = Field(self._canvas, self._search, lambda: [*talk.prompt()], talk.candidates)
        self._draft = self._field.draft
        self._answers = AnswerField(self._canvas)
        self._app = Drawing(
            arranged(
                talk,
                self._canvas,
                self._field,
                self._answers,
                search=self._search,
                asked=lambda: str(self._question or ""),
            ),
            style=self._style,
            color_depth=self._depth,
            include_default_pygments_style=False,
            key_bindings=merge_key_bindings([self._bindings(), self._answers.bindings()]),
            editing_mode=EditingMode.VI if settings.vi else EditingMode.EMACS,
            erase_when_done=True,
            max_render_postpone_time=None,  # or there would be no prompt for so long below what was just printed
            refresh_interval=1,
            terminal_size_polling_interval=None,
            input=self._keyboard,
            output=self._canvas,
        )
        self._app.key_processor.before_key_press += lambda _: talk.attend()
        self._app.ttimeoutlen = SEQUENCE_S

    def run(self) -> None:
        """Run until `leave` is called. Raises OSError if the terminal is gone."""
        self._runner = gevent.getcurrent()
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(self._failed)
        try:
            self._canvas.to_bottom()
            # What was shown before the application runs is printed as soon as it does.
            running = self._app.run_async(self._schedule, handle_sigint=False, set_exception_handler=False)
            with suppress(EOFError):  # the terminal has hung up
                self._loop.run_until_complete(running)
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()
            with suppress(OSError):  # the terminal is gone
                self._window.restore_title()
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
        """Print the lines that are left, and these, after `run`."""
        self._lines.extend(lines)
        while self._lines:
            self._print(ROWS_AT_ONCE)

    def show(self, lines: Iterable[Line]) -> None:
        """Print lines above the prompt, soon."""
        self._lines.extend(lines)
        self._schedule()

    def ring(self) -> None:
        """Ring the bell, soon; once for all that is shown at once."""
        self._bell = True
        self._schedule()

    def title(self, text: str) -> None:
        """Have this title for the window, soon."""
        self._title = text
        self._schedule()

    def notify(self, by: NotifyBy, text: str) -> None:
        """Show a notification, soon, unless another one follows, or there was one a moment ago."""
        self._note = (by, text)
        self._schedule()

    def refresh(self) -> None:
        """Draw the prompt and its surroundings again, soon."""
        self._schedule()

    def change_draft(self, change: Callable[[str], str]) -> None:
        """Replace what is half typed by what `change` makes of it: at once at a key, otherwise soon."""
        if gevent.getcurrent() is self._runner:  # the next key belongs to the new draft
            self._change_draft(change)
        else:
            self._soon(self._change_draft, change)

    def ask(self, dialogue: SecretDialogue, done: Done) -> None:
        """Have the user answer in place of the draft; `done` gets the dialogue when it is over. Called at a key."""
        if dialogue.is_over:
            done(dialogue)
        else:
            self._answers.begin(dialogue, done)

    @property
    def width(self) -> int:
        """The columns of the terminal."""
        return self._output.get_size().columns

    def clear(self) -> None:
        """Have nothing on the terminal but the prompt, soon."""
        self._soon(self._clear_terminal)

    def leave(self) -> None:
        """End `run`."""
        self._leaving = True
        self._schedule()

    def interrupt(self) -> None:
        """End `run`, unless an editor has the terminal: then the signal is for the editor."""
        if not self._editing:
            self.leave()

    def suspend(self) -> None:
        """Give the terminal back to the shell and stop, until the shell has the client go on."""
        if self._editing:  # which has given it back itself
            self._job.stop()
            return
        self._soon(self._suspend)

    def resume(self) -> None:
        """Take the terminal again, which may have been used by others since the process was stopped."""
        self._soon(self._resume)

    # --- On the loop -------------------------------------------------------------------------------------------------

    def _soon(self, action: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(action, *arguments)

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._soon(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if not self._app.is_running or self._app.is_done:
            return
        if self._leaving:
            self._app.exit()
            return
        if wait_s := self._app.unsettled_s:
            self._loop.call_later(wait_s, self._schedule)
            return
        if self._lines:
            self._app.erase()
            self._print(ROWS_AT_ONCE)
        if self._lines:
            self._schedule()
        self._call()
        self._app.invalidate()

    def _print(self, count: int) -> None:
        """Print the next lines, about `count` rows of them. The cursor must be where nothing is drawn."""
        width = self.width
        rows: list[Line] = []
        while self._lines and len(rows) < count:
            rows += wrapped(self._lines.popleft(), width)
        fragments: StyleAndTextTuples = [fragment for row in rows for fragment in (*row, ("", "\n"))]
        print_formatted_text(self._output, fragments, self._style, color_depth=self._depth)

    def _call(self) -> None:
        """Tell the user who does not look at the screen."""
        if self._bell:
            self._bell = False
            self._output.bell()
            self._output.flush()
        if self._has_title:
            self._window.show_title(self._title)
        note, self._note = self._note, None
        if note and time.monotonic() - self._noted_at >= NOTED_S:
            self._noted_at = time.monotonic()
            self._window.notify(*note)

    def _suspend(self) -> None:
        if not self._app.is_running:
            return
        self._app.erase()
        self._window.restore_title()
        with self._keyboard.cooked_mode():
            self._job.stop()
        self._canvas.to_bottom()
        self._resumed = True
        self._schedule()

    def _resume(self) -> None:
        if self._app.is_running and not self._resumed:  # it was stopped without being asked
            self._keyboard.make_raw()
            self._app.erase()
            self._canvas.to_bottom()
            self._app.invalidate()
        self._resumed = False

    # --- Input -------------------------------------------------------------------------------------------------------

    def _enter(self, *, unread: bool) -> None:
        """Send the draft, or ask first."""
        text = self._draft.text
        self._question = None if is_blank(text) else self._talk.question(text, unread=unread)
        if not self._question:
            self._send()

    def _send(self, *, apart: bool = False) -> None:
        text, self._question = self._draft.text, None
        self._put_away_draft()
        if not is_blank(text):
            self._talk.take(text, apart=apart)

    def _put_away_draft(self) -> None:
        """Have an empty draft; Up brings back what may be remembered of it."""
        self._draft.text = self._talk.remembered(self._draft.text)
        self._draft.reset(append_to_history=True)

    def _keep(self) -> None:
        """Keep the draft as it is: the answer is no."""
        self._question = None

    def _change_draft(self, change: Callable[[str], str]) -> None:
        text = change(self._draft.text)
        if text != self._draft.text:
            self._question = None  # it was about the other draft
            self._draft.reset(Document(text))

    def _edit(self) -> None:
        """Have the user edit the draft in an editor; what comes meanwhile is shown afterwards."""
        self._app.erase()
        self._editing = True
        try:
            with self._keyboard.cooked_mode():
                self._draft.text = edited(self._draft.text, os.environ)
        except EditorFailed as failed:
            self._lines.append(aside(f"The draft is as it was: {failed}", "class:refused"))
        finally:
            self._editing = False
        self._canvas.to_bottom()
        self._canvas.write_raw("\r")  # an editor of lines leaves the cursor anywhere
        self._canvas.erase_down()
        self._draft.cursor_position = len(self._draft.text)
        self._schedule()

    def _clear(self) -> None:
        """Clear the draft; Up brings it back."""
        self._cleared_at = time.monotonic()
        self._put_away_draft()

    def _clear_terminal(self) -> None:
        self._app.renderer.clear()
        self._canvas.to_bottom()

    def _interrupt(self) -> None:
        if time.monotonic() - self._cleared_at >= CLEARED_S:
            self.leave()

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        asked = Condition(lambda: bool(self._question))
        typing = has_focus(self._draft) & ~asked
        empty = Condition(lambda: not self._draft.text)

        def on(*keys: str, filter: Filter, eager: bool = False) -> Callable[[Callable[[], None]], None]:  # noqa: A002
            def bind(action: Callable[[], None]) -> None:
                bindings.add(*keys, filter=filter, eager=eager)(lambda _: action())

            return bind

        on("enter", filter=typing)(lambda: self._enter(unread=False))
        on(ENTER_OF_BURST, filter=typing)(lambda: self._enter(unread=True))
        on("escape", "enter", filter=typing)(lambda: self._draft.insert_text("\n"))
        on("c-x", "c-e", filter=typing)(self._edit)
        on("escape", filter=typing & has_completions, eager=True)(self._draft.cancel_completion)
        on("c-c", filter=typing & ~empty)(self._clear)
        on("c-c", filter=typing & empty)(self._interrupt)
        on("c-d", filter=typing & empty)(self.leave)
        on("c-l", filter=~asked)(self._clear_terminal)
        on("c-z", filter=~asked)(self._job.ask_to_stop)
        on("escape", "left", filter=typing)(lambda: self._talk.step(-1))
        on("escape", "right", filter=typing)(lambda: self._talk.step(1))
        for number in range(1, NUMBERED + 1):  # vi's users type Escape, and then a count
            on("escape", str(number), filter=typing & ~vi_mode)(partial(self._talk.turn, number))

        on("<any>", filter=asked)(lambda: None)
        for key in ("y", "Y"):
            on(key, filter=asked)(self._send)
        apart = Condition(lambda: bool(self._question and self._question.or_apart))
        for key in ("l", "L"):
            on(key, filter=asked & apart)(lambda: self._send(apart=True))
        for key in ("n", "N", "escape", "c-c", "c-d"):
            on(key, filter=asked, eager=True)(self._keep)

        @bindings.add(Keys.BracketedPaste, filter=asked)
        def _(event: KeyPressEvent) -> None:  # more of the same paste
            self._draft.insert_text(event.data.replace("\r\n", "\n").replace("\r", "\n"))
            self._enter(unread=True)

        return bindings
