"""Standard input, output and error.

missing   of a process that was started without them
output    whose reader may hang or be gone: a write never fails, and never waits for long
"""
