"""gchat-server with a reconnect grace of three seconds: no test should take 15."""

from gchat.chat import disconnected
from gchat.server.main import main

disconnected.RECONNECT_GRACE_S = 3.0

main()
