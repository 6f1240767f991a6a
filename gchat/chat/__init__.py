"""Who is where, and who gets what. Pure: commands go in with the time, effects come out; nothing here waits."""
