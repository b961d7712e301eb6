"""The engine for one job at a time, in the main thread: the fast path.

    cancel    cancel the running job when the supervisor signals it
    loop      reserve, run, settle, until the process is asked to stop
    engine    puts the parts together

Each of these imports only from those above it.
"""
