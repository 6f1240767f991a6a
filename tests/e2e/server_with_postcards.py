"""gchat-server with one dialect more: see tests/dialects/postcard.py."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from gchat.dialects import choice, sniff
from gchat.server.main import main
from tests.dialects import postcard

sniff.HELLOS[postcard.HELLO] = postcard.traits.name
choice.DIALECTS[postcard.traits.name] = postcard

main()
