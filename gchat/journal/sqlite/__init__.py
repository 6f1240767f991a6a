"""The SQLite journal: everything that was said, in one file."""
