"""Access to the server: the moves of a channel as commands, connections that send them, and queries of several commands.

    contract       protocols: `Driver` builds commands without I/O, `Link` and `AsyncLink` send them
    batches        the bounds of a page, and of commands with many messages
    peer           the owner of an embedded server
    redis/         the driver for Redis and Valkey: scripts, connections, checks
    embedded/      the embedded server
    load           from the settings to a driver, and to the server's URL
    block_timeout  learns how long a command may block
    backoff        the pauses between retries, and the time to give up
    steps          queries of several commands as generators, shared by sync and async callers
    loop_links     the connections of one channel in one event loop
    pool           the connections of one channel, for any thread, event loop or forked process
    registry       the known channels of a pattern
    heartbeats     the last heartbeats of the workers
    find           finds a message in every state
    remove         removes a pending message

Each of these imports only from those above it.

A push: `Driver.push` builds the command, `LinkPool.call` takes an idle link (or opens one), and `Link.call` sends the command and
reads the reply. Worker processes and supervisors have separate links.
"""
