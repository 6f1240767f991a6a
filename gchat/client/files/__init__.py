"""Files that outlive a client. What it writes is replaced as a whole: if it is killed, there is the old one or the new.

settings_file  what the user has chosen; never written.
locked_file    what one program at a time uses, as the next two are.
secret_file    the account that the user is logged in to at every start, and its secret.
given_secret   a secret in a file that the user names.
token_file     the token that brings the same user back.
safety         how safe a link is, over which a secret goes out or not.
place_file     the place in the room to go on from.
seen_file      how far the user has seen each room.
atomic_file    replacing a file.
"""
