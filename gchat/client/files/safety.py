"""How safe a link is: what was got over one goes out only over links that are at least as safe. Pure."""

from __future__ import annotations

from enum import IntEnum


class Safety(IntEnum):
    """How much is known of the way to a server. The numbers are in files."""

    PLAIN = 0  # others may read along
    UNCHECKED = 1  # TLS, but perhaps with somebody else
    CHECKED = 2  # TLS with the server that was meant


#: What a link needs to be that is at least so safe.
NEEDS = {Safety.PLAIN: "any link", Safety.UNCHECKED: "TLS", Safety.CHECKED: "TLS with a certificate that is checked"}
