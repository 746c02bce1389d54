"""The only SQL: one SQLite database, and one file a noun that implements that noun's store."""
