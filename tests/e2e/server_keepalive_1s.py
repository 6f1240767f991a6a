"""gchat-server that asks idle peers after one second whether they are there: no test should take 90."""

from gchat.server import listener
from gchat.server.main import main

listener.KEEPALIVE_IDLE_S = listener.KEEPALIVE_INTERVAL_S = listener.KEEPALIVE_PROBES = 1

main()
