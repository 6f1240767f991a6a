"""gchat-server whose lease as a node, and whose users' grace, is three seconds: no test should take 15."""

from gchat.chat import disconnected
from gchat.cluster import link
from gchat.server.main import main

disconnected.RECONNECT_GRACE_S = 3.0
link.LEASE_S = 3.0

main()
