"""Sentinels: they watch a primary and its replicas, and know which of them is the primary now."""

from __future__ import annotations

from collections.abc import Callable

import gevent

from gchat.cluster.engine_connection import EngineConnection, EngineLost, EngineRefused
from gchat.cluster.engine_url import EngineUrl, Place, shown_place

#: So long sentinels are waited for, which are asked at once; and the others, once one has answered.
ANSWER_S, OTHERS_S = 1.0, 0.1


def place_of_primary(url: EngineUrl, connect: Callable[[Place], EngineConnection]) -> Place:
    """Return where the primary is, as the sentinel says that knows of the latest failover. Waits.

    `connect` returns a connection to a sentinel. Raises EngineLost, EngineRefused.
    """
    asked = [gevent.spawn(_asked, url, connect, place) for place in url.hosts]
    try:
        for each in gevent.iwait(asked, timeout=ANSWER_S):
            if isinstance(each.value, tuple):
                break
        gevent.wait(asked, timeout=OTHERS_S)
        answers = [each.value for each in asked if each.value is not None]
    finally:
        gevent.killall(asked, block=False)
    known = [answer for answer in answers if isinstance(answer, tuple)]
    if known:
        return max(known)[1]
    raise next((why for why in answers if not isinstance(why, tuple)), EngineLost(f"no sentinel of {url} answers"))


def _asked(
    url: EngineUrl, connect: Callable[[Place], EngineConnection], place: Place
) -> tuple[int, Place] | EngineLost | EngineRefused:
    """Return how many failovers a sentinel knows of, and where the primary is; or why it does not say."""
    try:
        connection = connect(place)
        try:
            return _primary(url, connection, place)
        finally:
            connection.close()
    except EngineRefused as error:
        return error
    except EngineLost as error:
        shown = shown_place(place)
        return error if shown in str(error) else EngineLost(f"the sentinel {shown} is lost: {error}")


def _primary(url: EngineUrl, connection: EngineConnection, place: Place) -> tuple[int, Place]:
    question = ("SENTINEL", "MASTER", url.primary)
    try:
        answer = connection.call(*question, timeout_s=ANSWER_S)
    except EngineRefused as error:
        if "No such master" in str(error):
            what = f'the sentinel {shown_place(place)} knows no primary called "{url.primary}"'
            raise EngineRefused(what, error.code) from None
        if error.code == "ERR":
            raise EngineRefused(f"{shown_place(place)} is no sentinel: {error}", error.code) from None
        raise
    told = dict(zip(answer[::2], answer[1::2], strict=False))
    return int(told.get(b"config-epoch", 0)), (told[b"ip"].decode(), int(told[b"port"]))
