"""Secrets: what they and the values with one in them show of themselves."""

from __future__ import annotations

from typing import Any, ClassVar


class Secret(str):
    """A token, or a header with one: whatever it is part of, no repr shows it, and so no log and no traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


#: The fields that are secrets wherever they stand.
_SECRETS = frozenset({"token", "secret", "new", "password", "hash", "signing_secret", "secret_hash"})


class HasSecrets:
    """Mixed into a Struct with secrets in it, which are plain texts, because msgspec encodes nothing else."""

    __slots__ = ()

    __struct_fields__: ClassVar[tuple[str, ...]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        return [(name, Secret(value) if value and name in _SECRETS else value) for name, value in shown.items()]
