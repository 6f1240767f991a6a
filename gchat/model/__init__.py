"""The values that all of gchat speaks in, and the rules for names and texts. Pure; imports nothing else of gchat.

messages      what the journal numbers and stores
commands      what users ask
events        what a room or one user is told
hello         what a client asks for first, and the place to resume from
errors        what is refused, and why
names         what may be a nick or a room, and which names are alike
text          what may be shown on a terminal
sentences     what users read, in the plain dialect and in gchat-client
expectation   what was expected of a value, in plain words
secret        values that do not show their token
"""
