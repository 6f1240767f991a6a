"""The input field: a draft of one line or more, edited in whole characters, with completion and history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import BufferControl, Dimension, Window
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.widgets import SearchToolbar

from gchat.client.completion import Candidate
from gchat.client.terminal.canvas import Canvas, ClusterCells
from gchat.client.terminal.history_file import history
from gchat.client.terminal.layout import boundary

#: A longer draft is scrolled: a terminal that becomes narrower breaks its rows, and must still have room for them.
MAX_ROWS = 10

Candidates = Callable[[str], Iterable[Candidate]]


class Draft(Buffer):
    """The text being typed. It is edited in clusters: no key deletes half a flag, or stops in the middle of one."""

    def __init__(self, candidates: Candidates) -> None:
        super().__init__(
            completer=_TabCompleter(candidates),
            complete_while_typing=False,
            history=history(),
            multiline=True,
            on_cursor_position_changed=lambda _: self._stay_between_clusters(),
        )
        self._before = (self.text, self.cursor_position)

    def delete_before_cursor(self, count: int = 1) -> str:
        """Delete `count` characters before the cursor, or more: never a part of a cluster."""
        start = boundary(self.text, max(0, self.cursor_position - count), forward=False)
        return super().delete_before_cursor(self.cursor_position - start)

    def delete(self, count: int = 1) -> str:
        """Delete `count` characters after the cursor, or more: never a part of a cluster."""
        end = boundary(self.text, min(len(self.text), self.cursor_position + count), forward=True)
        return super().delete(end - self.cursor_position)

    def _stay_between_clusters(self) -> None:
        """Move the cursor on if it is inside a cluster, unless the text has changed: the cluster may be incomplete."""
        (text, stood_at), self._before = self._before, (self.text, self.cursor_position)
        if text == self.text:
            self.cursor_position = boundary(text, self.cursor_position, forward=self.cursor_position > stood_at)


class Field:
    """The window of a draft, with a prompt before it."""

    def __init__(
        self, canvas: Canvas, search: SearchToolbar, prompt: Callable[[], StyleAndTextTuples], candidates: Candidates
    ) -> None:
        self.draft = Draft(candidates)
        self.window = Window(
            BufferControl(
                self.draft,
                input_processors=[ClusterCells(canvas), BeforeInput(lambda: canvas.drawn(prompt()))],
                search_buffer_control=search.control,
                preview_search=True,  # what Ctrl+R has found so far
            ),
            height=Dimension(min=1, max=MAX_ROWS),
            dont_extend_height=True,
            wrap_lines=True,
        )


class _TabCompleter(Completer):
    def __init__(self, candidates: Candidates) -> None:
        self._candidates = candidates

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:  # noqa: ARG002
        for found in self._candidates(document.text_before_cursor):
            yield Completion(found.text, -found.length, display=found.text.strip(), display_meta=found.help)
