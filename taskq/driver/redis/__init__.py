"""The driver for Redis and Valkey. The only package that imports redis-py.

    lua/       one script for each move, and the steps that they share
    scripts    loads the scripts
    owned      connections to the embedded server, which check its owner
    locate     finds the node of a key: a single server, Sentinel or Cluster
    address    from a URL to connections
    errors     from redis-py's errors to taskq's
    fence      closes a connection that was given up, before the next command
    link       a blocking connection
    alink      a connection for asyncio
    pipeline   an open connection for asyncio that many tasks share
    shared_link  opens it, and translates its errors
    checks     checks of the server at startup: version, permissions, types of keys
    driver     each move as a command: a script with its keys and arguments

Each of these imports only from those above it.
"""
