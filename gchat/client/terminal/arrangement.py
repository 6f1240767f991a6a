"""Where everything stands on the screen below the conversation, and what a chat has to provide of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from prompt_toolkit.filters import Condition, has_completions
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, Dimension, Float, FloatContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import FormattedTextControl
from prompt_toolkit.layout.menus import CompletionsMenu
from prompt_toolkit.widgets import SearchToolbar

from gchat.client.completion import Candidate
from gchat.client.paste import Question
from gchat.client.render import Line
from gchat.client.terminal.answer_field import AnswerField
from gchat.client.terminal.canvas import Canvas
from gchat.client.terminal.field import Field

#: Rows for the menu of completions.
MENU_ROWS = 8


class Talk(Protocol):
    """Takes what is typed, and provides the rest of the screen. Its texts must be printable."""

    def take(self, text: str, *, apart: bool) -> None:
        """Take what was typed, or pasted: several lines belong together, or each is a message, `apart`."""

    def question(self, text: str, *, unread: bool) -> Question | None:
        """Return the question before this is sent, None if none; `unread` if the user has not seen it."""

    def remembered(self, text: str) -> str:
        """Return what may be kept of what was typed, for Up: no secrets."""

    def attend(self) -> None:
        """Note that the user has pressed a key."""

    def turn(self, number: int) -> None:
        """Turn to the room with this number, from 1, if there is one."""

    def step(self, by: int) -> None:
        """Turn to the room so many steps to the right, in a circle."""

    def prompt(self) -> Line:
        """Return what is shown before the draft."""

    def waiting(self) -> list[Line]:
        """Return the lines right above the prompt, which are not part of the conversation yet."""

    def toolbar(self, width: int) -> Line:
        """Return the lowest line, for so many columns."""

    def candidates(self, before: str) -> Iterable[Candidate]:
        """Return how the text before the cursor could go on."""


def arranged(
    talk: Talk, canvas: Canvas, field: Field, answers: AnswerField, *, search: SearchToolbar, asked: Callable[[], str]
) -> Layout:
    """Return the layout: what waits, a question that is `asked`, the draft or an answer, the menu, the toolbar."""

    def waiting() -> StyleAndTextTuples:
        fragments: StyleAndTextTuples = []
        for line in talk.waiting():
            fragments += [*line, ("", "\n")]
        return canvas.drawn(fragments[:-1])

    def waiting_rows() -> Dimension:
        rows = len(talk.waiting())
        return Dimension(min=0, preferred=rows, max=rows)

    def toolbar() -> StyleAndTextTuples:
        return canvas.drawn([*talk.toolbar(canvas.get_size().columns)])

    text = FormattedTextControl(lambda: canvas.drawn([("class:question", asked())]))
    question = Window(text, height=Dimension(min=1), dont_extend_height=True, wrap_lines=True)
    rows = HSplit(
        [
            Window(FormattedTextControl(waiting), height=waiting_rows, dont_extend_height=True),
            ConditionalContainer(question, Condition(lambda: bool(asked()))),
            ConditionalContainer(field.window, ~answers.is_open),
            answers.container,
            search,
            ConditionalContainer(Window(height=Dimension(0, MENU_ROWS, preferred=MENU_ROWS)), has_completions),
            Window(FormattedTextControl(toolbar), height=1),
        ]
    )
    menu = Float(CompletionsMenu(max_height=MENU_ROWS, scroll_offset=1), xcursor=True, ycursor=True)
    return Layout(FloatContainer(rows, floats=[menu]), focused_element=field.window)
