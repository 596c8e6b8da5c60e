"""The command line: what it tells, what it does, and what it leaves undone."""
