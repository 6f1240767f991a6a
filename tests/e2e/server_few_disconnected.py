"""gchat-server that keeps twenty disconnected users: a test need not make thousands."""

from gchat.chat import disconnected
from gchat.server.main import main

disconnected.MAX_DISCONNECTED = 20

main()
