"""The command `gchat-server`, started as `python -m gchat.server`."""

from gchat.server.main import main

main()
