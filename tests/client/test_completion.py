"""What Tab makes of what stands before the cursor."""

from __future__ import annotations

import pytest

from gchat.client.completion import complete
from gchat.client.own_commands import COMMANDS

NICKS = ["bob", "Barbara", "alice", "127.0.0.1:5000"]
ROOMS = ["lobby", "dev", "design"]


def completed(before: str) -> list[str]:
    return [before[: len(before) - found.length] + found.text for found in complete(before, NICKS, ROOMS)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/n", ["/nick ", "/notify "]),
        ("/HI", ["/history "]),
        ("/q", ["/quit", "/query "]),
        ("/r", ["/rooms", "/reply ", "/register"]),
        ("/x", []),
        ("//n", []),
        ("/join d", ["/join design", "/join dev"]),
        ("/join ", ["/join design", "/join dev", "/join lobby"]),
        ("/join dev d", []),
        ("/msg ", ["/msg 127.0.0.1:5000 ", "/msg alice ", "/msg Barbara ", "/msg bob "]),
        ("/msg B", ["/msg Barbara ", "/msg bob "]),
        ("/msg bob al", ["/msg bob alice "]),
        ("/help jo", ["/help join"]),
        ("/me greets al", ["/me greets alice "]),
        ("b", ["Barbara: ", "bob: "]),
        ("@al", ["@alice "]),
        ("hi @b", ["hi @Barbara ", "hi @bob "]),
        ("(al", ["(alice"]),
        ('see (["al', ['see (["alice']),
        ("(@al", ["(@alice "]),
        ("@", []),
        ("/bell ", ["/bell all", "/bell mention", "/bell off"]),
        ("/presence of", ["/presence off"]),
        ("/topic ", []),
        ("hello al", ["hello alice "]),
        ("hello ", []),
        ("", []),
    ],
)
def test_tab_completes(before: str, after: list[str]) -> None:
    assert completed(before) == after


def test_a_slash_alone_offers_every_command_with_what_it_does() -> None:
    assert [found.help for found in complete("/", NICKS, ROOMS)] == [verb.help for verb in COMMANDS.values()]
