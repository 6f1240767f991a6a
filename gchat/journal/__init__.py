"""Where messages rest, and get their numbers. Knows no user and no connection."""
