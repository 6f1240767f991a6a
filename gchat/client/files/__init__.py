"""Files that outlive a client. What it writes is replaced as a whole: if it is killed, there is the old one or the new.

settings_file  what the user has chosen; never written.
token_file     the token that brings the same user back.
safety         how safe a link is, over which a secret goes out or not.
place_file     the place in the room to go on from.
seen_file      how far the user has seen each room.
atomic_file    replacing a file.
"""
