"""One file a step, named by its number; run in order."""
