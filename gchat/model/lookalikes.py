"""Lookalikes: which names are the same, or could be taken for each other (UTS 39)."""

from __future__ import annotations

import unicodedata

#: The longest text that is compared as a name, in characters. A longer one is not normalized, because that takes time
#: that grows with the square of the length (measured: 24,000 marks on a letter take two seconds).
MAX_COMPARED = 400


def name_keys(name: str) -> frozenset[str]:
    """Return the keys of `name`: two names that share one are the same name, or could be taken for each other.

    One key is the name without case and width, the others are skeletons (UTS 39, section 4) without case. Skeletons
    alone would admit both Ian and ian, because I looks like l and i does not.
    """
    plain = folded(name)
    if len(name) > MAX_COMPARED:
        return frozenset((plain,))
    return frozenset((plain, skeleton(plain), folded(skeleton(unicodedata.normalize("NFKC", name)))))


def owned_keys(name: str) -> frozenset[str]:
    """Return the keys by which a name is kept from others: name_keys, also of the name without marks.

    BannZay and BannZaỵ differ in a dot that is easily missed. Muller and Müller are two people all the same, and both
    can be here: only what belongs to somebody is kept so. Marks that are letters to their readers are none here, as
    those of Devanagari, kana, Hebrew and Thai.
    """
    keys = name_keys(name)
    return keys if name.isascii() or len(name) > MAX_COMPARED else keys | {_without_marks(key) for key in keys}


def _without_marks(key: str) -> str:
    # Marks of these combining classes stand over, under or through letters of any script; other classes are of one.
    kept = [char for char in unicodedata.normalize("NFD", key) if not _is_mark(unicodedata.combining(char))]
    return unicodedata.normalize("NFC", "".join(kept))


def _is_mark(combining_class: int) -> bool:
    return combining_class == 1 or combining_class >= 200


def folded(name: str) -> str:
    """Return `name` without its case and width: two texts that are equal then are the same name.

    A text that is too long for a name is returned as it is.
    """
    if name.isascii():
        return name.lower()
    if len(name) > MAX_COMPARED:
        return name
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def scripts(name: str) -> set[str]:
    """Return the scripts that the letters of `name` belong to."""
    from gchat.model.confusables import script  # noqa: PLC0415  # see there

    return {script(ord(char)) for char in name} - {"COMMON", "INHERITED"}


def skeleton(text: str) -> str:
    """UTS 39, section 4: NFD, each character by its prototype, NFD."""
    from gchat.model.confusables import prototype  # noqa: PLC0415  # see there

    return unicodedata.normalize("NFD", "".join(map(prototype, unicodedata.normalize("NFD", text))))


def load_tables() -> None:
    """Load the tables that the rules for names need, before the first name comes. Safe on any thread."""
    import gchat.model.confusables  # noqa: F401, PLC0415
