"""Signatures, as GitHub documents them."""

from __future__ import annotations

from gchat.hooks.signature import is_signed, signature

# The example of GitHub's documentation ("Validating webhook deliveries").
SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
SIGNED = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_it_is_the_one_of_the_documentation() -> None:
    assert signature(SECRET, BODY) == SIGNED
    assert is_signed(SECRET, BODY, SIGNED)


def test_others_are_wrong() -> None:
    for wrong in ("", "sha256=", SIGNED[:-1], SIGNED.upper(), SIGNED.replace("sha256", "sha1"), "é", SIGNED + "0"):
        assert not is_signed(SECRET, BODY, wrong)
    assert not is_signed(SECRET, BODY + b"\n", SIGNED)
