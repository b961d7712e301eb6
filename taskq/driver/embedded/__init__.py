"""The embedded server: a real Valkey from the `embedded` extra, started on demand and shared by every process of a project.

    filelock      a file lock that the server inherits from the process that starts it
    unixsocket    the path and the directory of the socket
    folder        creates the folder, and checks that it belongs to this user
    daemon        starts a process that outlives its parent
    server        finds, starts, stops and describes the server of a project

Each of these imports only from those above it.
"""
