"""`taskq bench`: measures this setup under a separate key prefix, which is removed at the end.

    figures     samples to one line of numbers
    cpu         how much of a processor others have used
    cost        rate and processor time of a piece of work
    app         the queue and its jobs
    cases       what is compared with a bare loop
    plan        what is measured, and how much of it
    place       the server, the scratch directory, the keys and the worker
    pushing     what needs no worker: push, push_many, memory
    working     what needs one: drain, latency, lateness
    run         these measures, one after the other
    bare        the bare loops
    compare     the cases, beside the bare loops

Each of these imports only from those above it. The views are in taskq/cli.
"""
