"""The lines of the rich dialect: a JSON object each, read as and made of the values in rich_requests and rich_events.

Rules, for both sides:
1. An unknown field is ignored; a field with its default value may be left out.
2. An unknown type is refused by the server and ignored by a client: `event` returns None for it.
3. `seq` is per room and rises by one; `id` is chosen by the client, and comes back in the answer.
"""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import Struct, json

from gchat.dialects.rich_events import AnyEvent
from gchat.dialects.rich_requests import AnyRequest, Id
from gchat.model.expectation import explained
from gchat.model.hello import Hello

#: How a client's first line begins: in any version, and in this one. A JSON object may follow: a Hello.
ANY_HELLO, HELLO = b"GCHAT/", b"GCHAT/1"

_T = TypeVar("_T")
_encoder = json.Encoder()
_hello_decoder = json.Decoder(Hello)
_request_decoder: json.Decoder[AnyRequest] = json.Decoder(AnyRequest)
_event_decoder: json.Decoder[AnyEvent] = json.Decoder(AnyEvent)

#: The types of all events that this version knows.
EVENT_TYPES = frozenset(str(kind.__struct_config__.tag) for kind in AnyEvent.__args__)


def lines(values: list[Any]) -> bytes:
    """Return requests or events, each as a line."""
    return _encoder.encode_lines(values)


def hello_line(hello: Hello) -> bytes:
    """Return a client's first line."""
    return HELLO + b" " + lines([hello])


def hello(text: bytes) -> Hello:
    """Return the hello in a client's first line, which begins with HELLO. Raises ValueError."""
    return _decoded(_hello_decoder, text.removeprefix(HELLO).strip() or b"{}")


def request(text: bytes) -> AnyRequest:
    """Return the request in a line from a client. Raises ValueError."""
    return _decoded(_request_decoder, text)


class _Any(Struct):
    type: str = ""
    id: Id = ""


_any_decoder = json.Decoder(_Any)


def _decoded(decoder: json.Decoder[_T], text: bytes) -> _T:
    """Return the value of `text`. Raises ValueError, in plain words."""
    try:
        return decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(explained(error, decoder.type, text)) from None


def request_id(text: bytes) -> str:
    """Return the id in a line that is not a valid request, for the refusal."""
    try:
        return _decoded(_any_decoder, text).id
    except ValueError:
        return ""


def event(text: bytes) -> AnyEvent | None:
    """Return the event in a line from the server, None for an unknown type. Raises ValueError."""
    try:
        return _decoded(_event_decoder, text)
    except ValueError:
        if _decoded(_any_decoder, text).type not in EVENT_TYPES:
            return None
        raise
