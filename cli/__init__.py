"""The command: one file per group; parses, calls, prints; no logic."""
