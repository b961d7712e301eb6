"""`taskq bench`: measures this setup under a separate key prefix, which is removed at the end.

    figures     samples to one line of numbers
    cpu         how much of a processor others have used
    app         the queue and its jobs
    plan        what is measured, and how much of it
    place       the server, the scratch directory, the keys and the worker
    pushing     what needs no worker: push, push_many, memory
    working     what needs one: drain, latency, lateness
    run         all measures, one after the other

Each of these imports only from those above it. The views are in taskq/cli.
"""
