# Completion of gchat-client for fish. Made by python -m tests.share
complete -c gchat-client -f
complete -c gchat-client -l help -s h -d 'show this help message and exit'
complete -c gchat-client -l nick -x -d 'take the nick NAME'
complete -c gchat-client -l nick-suffix -d 'if NAME is taken, try NAME-2, NAME-3 and so on'
complete -c gchat-client -l room -x -d 'start in ROOM'
complete -c gchat-client -l forget -d 'on a terminal: start as a new user, forget the token'
complete -c gchat-client -l plain -d 'exchange lines of plain text, with any line-based server'
complete -c gchat-client -l wait -d 'wait for a server that is not there yet'
complete -c gchat-client -l listen -d 'in a pipe: print what others say, even after stdin has ended'
complete -c gchat-client -l json -d 'print events as JSON objects, one per line'
complete -c gchat-client -l no-color -d 'do not use colours'
complete -c gchat-client -l vi -d 'use vi\'s editing keys'
complete -c gchat-client -l version -d 'show program\'s version number and exit'
