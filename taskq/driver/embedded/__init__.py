"""The embedded server: a real Valkey from the `embedded` extra, started on demand and shared by every process of a project.

filelock      a lock that a process passes on to the server it starts
unixsocket    the socket's directory and path
daemon        starting a process that outlives its parent
server        find, start, stop and describe the server of a directory
"""
