"""Files that outlive a client. Each is replaced as a whole: a program that is killed leaves the old one or the new one.

token_file   the token that brings the same user back.
place_file   the place in the room to go on from.
seen_file    how far the user has seen each room.
atomic_file  replacing a file.
"""
