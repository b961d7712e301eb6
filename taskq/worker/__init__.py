"""A worker process: it reserves messages, runs their jobs, and settles them.

    outage        log the start and the end of a server outage
    prefetch      how many messages to reserve at once
    variables     the context variables that each job begins with
    fork_guard    end a process that a job forked, and that returned from the job
    execute/      run one message, from its bytes to a verdict
    settler       settle messages: batch acks, and send them again after a broken connection
    intake        prepare reserved messages to run, and recover messages after a broken connection
    process/      the process around the jobs: signals, startup and shutdown hooks, state to restore
    serial/       the engine for one job at a time: the fast path
    concurrent/   the engine for several jobs at a time
    main          the life of a worker process

Each of these imports only from those above it. A message walks through them like this: `serial/loop` or `concurrent/pump` reserves it,
`intake` reads its head, `execute/unpacker` makes a run of it, `execute/runner` calls the job through `execute/executor` and returns a
verdict, and `settler` sends the verdict to the server.

A cancel request reaches a running job like this: `supervisor/services/cancels` writes it to the slot and signals the process.
`serial/cancel` or `concurrent/pump` reads it there, and `execute/executor` or `concurrent/lane` interrupts the job or its coroutine.
"""
