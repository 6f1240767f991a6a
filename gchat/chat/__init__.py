"""The users, nicks and rooms, and their rules. Pure: commands go in with the time, effects come out; nothing waits."""
