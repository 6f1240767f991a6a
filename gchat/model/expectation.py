"""What was expected of a value, in plain words that are made from its type. Pure.

Users, scripts and operators are told so when their JSON or their settings are not valid. The value itself is never
shown, because it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

#: Names of fields are cut to this many characters.
_MAX_NAME = 40

#: The first half of a surrogate pair, as an escape, without the second.
_HALF_PAIR = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])")

_WORDS: dict[type, str] = {
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.StrType: "a text",
    inspect.BoolType: "true or false",
    inspect.NoneType: "null",
    inspect.StructType: "an object",
    inspect.DictType: "an object",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
}


def expected(kind: Any) -> str:
    """Return what a type describes, as "a whole number from 0 to 65535"; the title of a Meta is used as it is."""
    return _words(_type_of(kind))


def explained(error: Exception, kind: Any, data: bytes = b"") -> str:
    """Return why msgspec could not make a value of this type: "text: expected a text that is not empty".

    `data` is the JSON, if it was made from that.
    """
    if not isinstance(error, msgspec.ValidationError):
        return _malformed(error, data)
    message, _, path = str(error).partition(" - at `$.")
    names = path.rstrip("`").split(".") if path else []
    tag = _tag(data)
    if found := re.match("Object contains unknown field `(.*)`", message, re.DOTALL):
        fields = _fields(_at(_type_of(kind), names, tag), tag)
        known = ", ".join(fields) or "none"
        return f"{_dotted([*names, found[1]])}: unknown field; expected one of {known}"
    if found := re.match("Object missing required field `(.*)`", message):
        names.append(found[1])
        return f"{_dotted(names)} is missing: expected {_words(_at(_type_of(kind), names, tag))}"
    what = f"expected {_words(_at(_type_of(kind), names, tag))}"
    return f"{_dotted(names)}: {what}" if names else what


def _malformed(error: Exception, data: bytes) -> str:
    """Return why the data is not JSON."""
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "the text is not UTF-8"
    if _HALF_PAIR.search(data):
        return r"not JSON: an escape such as \ud800 is half of a pair"
    message = str(error)
    return (
        "not JSON: its end is missing" if "truncated" in message else message.replace("JSON is malformed", "not JSON")
    )


def _dotted(names: Sequence[str]) -> str:
    return ".".join(name[:_MAX_NAME] for name in names)


@cache
def _type_of(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _tag(data: bytes) -> object:
    """Return the field `type`, which tells which of several structs was meant."""
    try:
        found = msgspec.json.decode(data) if data else None
    except (ValueError, RecursionError):
        return None
    return found.get("type") if isinstance(found, dict) else None


def _at(kind: inspect.Type, names: Sequence[str], tag: object) -> inspect.Type:
    """Return the type of a nested field; of an unknown one, the type of any value."""
    for name in names:
        field, *places = name.split("[")
        kind = _fields(kind, tag).get(field, inspect.AnyType())
        for _ in places:
            kind = getattr(_bare(kind), "item_type", inspect.AnyType())
    return kind


def _fields(kind: inspect.Type, tag: object) -> dict[str, inspect.Type]:
    """Return the types of all fields of the struct that was meant, including the one that tells structs apart."""
    kind = _bare(kind)
    structs = [each for each in map(_bare, _members(kind)) if isinstance(each, inspect.StructType)]
    tags = tuple(each.tag for each in structs if each.tag is not None)
    meant = next((each for each in structs if tag is not None and each.tag == tag), structs[0] if structs else None)
    fields: dict[str, inspect.Type] = {}
    if tags and structs[0].tag_field:
        fields[structs[0].tag_field] = inspect.LiteralType(tags)
    if meant is not None:
        fields |= {field.encode_name: field.type for field in meant.fields}
    return fields


def _members(kind: inspect.Type) -> Sequence[inspect.Type]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _bare(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _words(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):
        return str((kind.extra_json_schema or {}).get("title", "")) or _words(kind.type)
    if isinstance(kind, inspect.UnionType):
        return " or ".join(dict.fromkeys(map(_words, kind.types)))
    if isinstance(kind, inspect.LiteralType):
        *others, last = (f'"{choice}"' for choice in kind.values)
        return f"{', '.join(others)} or {last}" if others else last
    what = _WORDS.get(type(kind), "another value")
    if isinstance(kind, inspect.IntType | inspect.FloatType):
        return what + _bounds(kind)
    return what + _length(kind) if isinstance(kind, inspect.StrType) else what


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    low, above, high = kind.ge, kind.gt, kind.le
    if above is not None:
        return f" above {above}" + (f", at most {high}" if high is not None else "")
    if low is not None:
        return f" from {low} to {high}" if high is not None else f" not below {low}"
    return f" not above {high}" if high is not None else ""


def _length(kind: inspect.StrType) -> str:
    if kind.max_length is None:
        return " that is not empty" if kind.min_length else ""
    if kind.min_length:
        return f" of {kind.min_length:,} to {kind.max_length:,} characters"
    return f" of at most {kind.max_length:,} characters"
