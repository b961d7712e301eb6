"""The worker: one process that runs jobs. `loop` moves messages, `runner` runs one, `executor` calls the function."""
