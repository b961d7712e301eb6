"""Shared by demo and bench: signals that end with all clean-up, a server or a place on one, and a worker as a separate process.

    signals     Ctrl-C, SIGTERM and SIGHUP, and a block that they don't disturb
    server      the scratch server, gone at the end
    worker      the worker: what `taskq worker` starts

Each of these imports only from those above it.
"""
