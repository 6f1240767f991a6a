"""The shell: gevent, sockets, signals, files. It carries out what the core decides, and decides nothing itself."""
