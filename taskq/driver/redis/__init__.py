"""The driver for Redis and Valkey. The only package that imports redis-py.

lua/       one script for each move, and the steps that they share
scripts    loads the scripts
locate     finds the node of a key: a single server, Sentinel or Cluster
errors     from redis-py's errors to taskq's
address    from a URL to connections
link       a blocking connection
alink      the same for asyncio
driver     each move as a command: a script with its keys and arguments
checks     checks of the server at the start: version, permissions, types of keys
"""
