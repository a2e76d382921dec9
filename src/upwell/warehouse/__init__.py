"""What must be scanned, kept in the order in which it is walked."""
