"""What applies a setting to a running server."""

from __future__ import annotations

from typing import Any

from gchat.chat.limits import Limits
from gchat.server.setting_application import log_level, retention
from gchat.server.settings import ROWS, Config, applied_by


def test_every_limit_of_the_core_that_an_operator_can_set_is_set_by_a_row() -> None:
    class Server:
        limits = Limits()
        parts: Any = None

    names = set(Limits.__struct_fields__)
    limits = Server.limits
    unset = object()
    for name in names:
        setattr(limits, name, unset)
    for section, key in ((section, key) for section, rows in ROWS.items() for key in rows):
        if (apply := applied_by(section, key)) not in (None, retention, log_level):
            assert apply is not None
            apply(Server(), getattr(Config(), section), key)
    assert set(limits.__struct_fields__) == names
    assert {name for name in names if getattr(limits, name) is unset} == {"who_max", "page_max", "announced"}
