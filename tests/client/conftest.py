"""What tests of the client ask for by name."""

from __future__ import annotations

import pytest

from gchat.client.conversation.conversation import Conversation
from gchat.model.hello import ResumePoint


@pytest.fixture
def chat() -> Conversation:
    """Alice's, in the lobby."""
    return Conversation("x", nick="alice", room="lobby", after=ResumePoint("e", 1300))
