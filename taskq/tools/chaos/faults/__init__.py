"""The faults of `taskq chaos`.

killing    faults that hit processes
breaking   faults that hit the server and the way to it
table      the table of them

Each of these imports only from those above it.
"""
