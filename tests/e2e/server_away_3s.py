"""gchat-server that waits for three seconds for who has lost their connection: no test should take 15."""

from gchat.chat import registry
from gchat.server.main import main

registry.AWAY_S = 3.0

main()
