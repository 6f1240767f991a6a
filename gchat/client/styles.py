"""Colours: the styles that lines have on a terminal, by name. Pure."""

from __future__ import annotations

#: For nicks, in the order of the rainbow: from the 256 colours that nearly every terminal has. Each has a contrast of
#: 3.5 and more to black and to white, because nobody knows what is behind them (tested).
NICK_COLOURS = (
    "#d75f5f",
    "#af5f5f",
    "#d75f00",
    "#af5f00",
    "#875f00",
    "#878700",
    "#5f8700",
    "#008700",
    "#00875f",
    "#008787",
    "#0087af",
    "#0087d7",
    "#0087ff",
    "#5f87af",
    "#005fd7",
    "#5f87d7",
    "#5f5fd7",
    "#5f5fff",
    "#875fff",
    "#875fd7",
    "#875faf",
    "#af5fff",
    "#af5fd7",
    "#d700ff",
    "#af5faf",
    "#d700d7",
    "#d700af",
    "#d70087",
    "#af5f87",
    "#d75f87",
)
GREY = "#767676"
RED = "#d70000"

STYLES = {
    "time": GREY,
    "aside": GREY,  # users who come and go, answers, notices of the client
    "rule": GREY,  # between what is old and what is new
    "old": GREY,  # what was said before
    "nick": "",  # gets one of the colours; see nick_colours
    "own": "bold",
    "private": "bold #af00d7",
    "refused": RED,
    "lost": f"bold {RED}",
    "mention": "bold reverse",
    "pending": GREY,
    "prompt": "bold",
    "question": "bold",
    "toolbar": "reverse",
    **{f"nick-{number}": colour for number, colour in enumerate(NICK_COLOURS)},
}
