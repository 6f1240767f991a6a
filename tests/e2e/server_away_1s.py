"""gchat-server that waits for one second for who has lost their connection: no test should take 15."""

from gchat.chat import registry
from gchat.server.main import main

registry.AWAY_S = 1.0

main()
