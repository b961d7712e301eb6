"""Run one message: from its bytes to a verdict. Nothing here talks to the server, except for progress reports and stream items.

    verdict         what is decided about a message after its run
    progress        progress reports of running jobs
    results         pack the return value, or the reason for its absence, as the bytes that `settler` stores
    raised          the outcome of a run that raised an exception, or a group of them
    streams/        generator jobs: run each to its end, and store its items
    run             a run: the parts that all messages of a job share, and the parts of one message
    unpacker        from bytes to a run: read, verify, look up, decode
    frames          free what failed jobs held
    eventloop       the event loop of a worker process
    announce        the listeners to call once a message is settled
    places          where in its code a job may be interrupted
    unrun           verdicts about messages that are not run
    executor        call the job: its function, within its time limit, in the main thread or on the event loop
    runner          run one message, ending in one verdict
    async_runner    the same for coroutine jobs that run beside others

Each of these imports only from those above it.
"""
