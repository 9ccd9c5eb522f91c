"""The read path: search, decide, explain."""
