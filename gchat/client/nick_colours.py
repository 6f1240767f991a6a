"""The colours of nicks: each has its own, and people who talk at the same time have different ones. Pure."""

from __future__ import annotations

import zlib
from collections import OrderedDict

from gchat.client.styles import NICK_COLOURS
from gchat.model.lookalikes import folded

#: The nicks that were shown last and all have different colours. Half of the colours are free for the next.
DISTINCT = len(NICK_COLOURS) // 2

#: To the next colour to try: far from the last one, and after all of the others at it again.
_STEP = 11


class NickColours:
    """The colours of the nicks that were shown last."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, int] = OrderedDict()  # the number of the colour, by the nick; the latest last

    def style(self, nick: str) -> str:
        """Return the style of a nick: the same each time, unless somebody who spoke a moment ago has it."""
        name = folded(nick)
        if name not in self._given:
            taken = set(self._given.values())
            number = zlib.crc32(name.encode("utf-8", "surrogatepass")) % len(NICK_COLOURS)
            while number in taken:
                number = (number + _STEP) % len(NICK_COLOURS)
            self._given[name] = number
        self._given.move_to_end(name)
        if len(self._given) > DISTINCT:
            self._given.popitem(last=False)
        return f"class:nick-{self._given[name]}"
