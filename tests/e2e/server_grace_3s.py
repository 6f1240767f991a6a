"""gchat-server with a reconnect grace of three seconds: no test should take 15."""

from gchat.chat import registry
from gchat.server.main import main

registry.RECONNECT_GRACE_S = 3.0

main()
