"""Values with a secret in them: what such a value shows of itself."""

from __future__ import annotations

from typing import Any, ClassVar


class HasToken:
    """Mixed into a Struct with a `token`, which is worth a nick: no repr shows it, and so no log and no traceback."""

    __slots__ = ()

    __struct_fields__: ClassVar[tuple[str, ...]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        return list((shown | {"token": "…"} if shown["token"] else shown).items())
