"""Bodies that programs post: plain text, a form, or JSON of one of the known formats, as a message."""

from __future__ import annotations

import re
from binascii import a2b_qp
from typing import Any

import msgspec
from msgspec import Struct

from gchat.hooks import alerts, github, slack
from gchat.hooks.message import HookMessage
from gchat.model.errors import GchatError

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

#: Of a plain text so many bytes are looked at, which is more than a message may have.
MAX_PLAIN = 65536

#: JSON with more commas or brackets is refused: to read it would hold everybody up. A push of a thousand files, or a
#: thousand alerts, has fewer.
MAX_COMMAS, MAX_BRACKETS = 30_000, 10_000

#: Fields of a form that are looked at.
MAX_FORM_FIELDS = 20

# The characters of a form, and how one begins. curl says that everything sent with -d is one.
_FORM_CHARACTERS = bytes(range(0x21, 0x7F)).translate(None, b'"#<>[\\]^`{|}')
_FORM = re.compile(rb"[A-Za-z0-9_.\-]+=")

# One that encodes nothing, as in "text=100%"; more than so many are no text of anybody's, and take long.
MAX_LONE_PERCENTS = 10_000
_LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class BadBody(GchatError):
    """A body that cannot be understood; the text says what was expected."""


class Posted(Struct, frozen=True):
    """A body as it came."""

    body: bytes
    content_type: str = ""
    github_event: str = ""  # X-GitHub-Event
    title: str = ""  # the header Title, as ntfy has it


def heard(posted: Posted) -> HookMessage | None:
    """Return what a body says; None if it is nothing to say. Raises BadBody."""
    fields = _fields(posted)
    source = fields["payload"].encode() if "payload" in fields else posted.body
    if posted.github_event:
        lines = github.lines_of(posted.github_event, _decoded(source))
        return HookMessage("\n".join(lines)) if lines else None
    if "payload" not in fields and not _is_json(posted):
        return spoken(posted)
    body = _decoded(source)
    if isinstance(body, str):
        return HookMessage(body)
    if alerts.is_alerts(body):
        lines = [line for line in alerts.lines_of(body) if line]
        return HookMessage("\n".join(lines)) if lines else None
    lines = slack.lines_of(body)
    if not lines:
        raise BadBody('There is nothing to say in the body; expected {"text": "…"}, attachments, alerts or plain text')
    return HookMessage("\n".join(lines), slack.name_of(body))


def spoken(posted: Posted) -> HookMessage:
    """Return what a body says that is plain text, or a form with a field `text`."""
    fields = _fields(posted)
    said = fields.get("text") or posted.body[:MAX_PLAIN].decode(errors="replace")
    title = _header_text(posted.title) or fields.get("title", "")
    if title:
        said = f"{title}\n{said}" if "\n" in said.strip() else f"{title}: {said}"
    return HookMessage(said, fields.get("from", ""))


def media_type(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def _is_json(posted: Posted) -> bool:
    kind = media_type(posted.content_type)
    if kind == JSON or kind.endswith("+json"):
        return True
    # curl -d '{"text":"x"}' calls it a form, and some programs call it nothing at all.
    return kind in ("", FORM) and posted.body.lstrip()[:1] == b"{"


def _fields(posted: Posted) -> dict[str, str]:
    """Return the fields of a form; none if the body is no form, whatever its type says."""
    if media_type(posted.content_type) not in (FORM, ""):
        return {}
    body = posted.body.strip()
    if not _FORM.match(body) or body.translate(None, _FORM_CHARACTERS):
        # curl -d 'payload={"text": "…"}' and curl -d 'text=it is done' encode nothing.
        name, _, value = body.partition(b"=")
        return {name.decode(): _unquoted(value)} if name in (b"payload", b"text") else {}
    fields: dict[str, str] = {}
    for field in body.split(b"&", MAX_FORM_FIELDS)[:MAX_FORM_FIELDS]:
        name, _, value = field.partition(b"=")
        if name in (b"payload", b"text", b"title", b"from"):
            fields.setdefault(name.decode(), _unquoted(value))
    return fields if "payload" in fields or "text" in fields else {}


def _unquoted(value: bytes) -> str:
    """Return the value of a field of a form. urllib takes a second for a megabyte; in C it is quoted-printable."""
    encoded = (
        _LONE_PERCENT.sub(b"%25", value, MAX_LONE_PERCENTS)
        .replace(b"+", b" ")
        .replace(b"=", b"=3D")
        .replace(b"%", b"=")
    )
    return a2b_qp(encoded).decode(errors="replace")


def _decoded(body: bytes) -> Any:
    if body.count(b",") > MAX_COMMAS or body.count(b"[") + body.count(b"{") > MAX_BRACKETS:
        raise BadBody(f"The JSON has too many values; at most {MAX_COMMAS:,} are accepted")
    try:
        return msgspec.json.decode(body)
    except UnicodeDecodeError:
        raise BadBody("The body is not UTF-8") from None
    except RecursionError:
        raise BadBody("The JSON in the body is nested too deeply") from None
    except ValueError as error:
        raise BadBody(f"The body is not JSON: {error}") from None


def _header_text(value: str) -> str:
    """Return the text of a header: as UTF-8, which WSGI has read as Latin-1, or encoded as in mail (RFC 2047)."""
    text = value.encode("latin-1", "replace").decode(errors="replace").strip()
    if "=?" not in text:
        return text
    from email.errors import MessageError  # noqa: PLC0415  # rare, and slow to load
    from email.header import decode_header, make_header  # noqa: PLC0415

    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return text
