"""The field for the answers of a dialogue, in place of the draft: a secret is dots in it, and nothing is remembered."""

from __future__ import annotations

from collections.abc import Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import BufferControl, ConditionalContainer, Dimension, Window
from prompt_toolkit.layout.processors import BeforeInput, ConditionalProcessor, PasswordProcessor

from gchat.client.secret_dialogue import SecretDialogue
from gchat.client.terminal.canvas import Canvas, ClusterCells
from gchat.client.terminal.key_parser import ENTER_OF_BURST

Done = Callable[[SecretDialogue], None]


class AnswerField:
    """One line at a time, while there is a dialogue. The draft keeps what is half typed."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._dialogue: SecretDialogue | None = None
        self._done: Done = lambda _: None
        self._buffer = Buffer(multiline=False)
        self.is_open = Condition(lambda: self._dialogue is not None)
        dots = PasswordProcessor("•")
        self._control = BufferControl(
            self._buffer,
            input_processors=[
                ConditionalProcessor(dots, Condition(lambda: self._dialogue is not None and self._dialogue.is_hidden)),
                ClusterCells(canvas),
                BeforeInput(self._prompt),
            ],
        )
        window = Window(self._control, height=Dimension(min=1), dont_extend_height=True, wrap_lines=True)
        self.container = ConditionalContainer(window, self.is_open)

    def begin(self, dialogue: SecretDialogue, done: Done) -> None:
        """Have the user answer; `done` gets the dialogue when it is over."""
        self._dialogue, self._done = dialogue, done
        get_app().layout.focus(self._control)
        self._next()

    def _prompt(self) -> StyleAndTextTuples:
        asked = self._dialogue.prompt if self._dialogue else ""
        return self._canvas.drawn([("class:question", asked)])

    def _take(self) -> None:
        if self._dialogue:
            self._dialogue.take(self._buffer.text)
            self._next()

    def _cancel(self) -> None:
        if self._dialogue:
            self._dialogue.cancel()
            self._next()

    def _next(self) -> None:
        self._buffer.reset()
        dialogue = self._dialogue
        if dialogue and dialogue.is_over:
            self._dialogue = None
            app = get_app()
            app.clipboard.set_text("")  # what was cut here
            app.layout.focus_last()
            self._done(dialogue)

    def bindings(self) -> KeyBindings:
        """Return what the keys do while there is a dialogue."""
        bindings = KeyBindings()
        for key in (Keys.Enter, ENTER_OF_BURST):
            bindings.add(key, filter=self.is_open)(lambda _: self._take())
        for key in (Keys.Escape, Keys.ControlC, Keys.ControlD):
            bindings.add(key, filter=self.is_open, eager=True)(lambda _: self._cancel())

        @bindings.add(Keys.BracketedPaste, filter=self.is_open)
        def _(event: KeyPressEvent) -> None:
            first = event.data.replace("\r", "\n").strip("\n").partition("\n")[0]
            self._buffer.insert_text(first)

        return bindings
