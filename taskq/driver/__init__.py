"""The driver: from a move to the server. Moves are commands without I/O; connections send them, sync or async.

    contract    the protocol of a driver and of its connections: every move as a command
    batches     cut many messages into commands of bounded size
    redis/      the driver for Redis and Valkey: scripts, connections, checks
    embedded/   the embedded server
    backoff     pauses between retries
    load        from the settings to a driver, and to the server's URL
    steps       questions of several commands, written once for sync and async callers
    pool        keep connections, for threads and event loops, and send commands over them
    find        find a message in all states

Each of these imports only from those above it. A push walks from `pool` over a connection of `redis/link` (or `redis/alink`) to the
server; a worker process and a supervisor own their connections.
"""
