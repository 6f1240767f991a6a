"""gchat-server that keeps twenty disconnected users: a test need not make thousands."""

from gchat.chat import away
from gchat.server.main import main

away.MAX_AWAY = 20

main()
