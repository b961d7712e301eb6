"""`taskq doctor`: checks the server, the application and the channels, and advises what to change and why.

finding    what a check has found, and how bad it is
facts      the facts that a server reports
versions   the versions with known holes in their Lua
server     the checks of a server
channel    the checks of a channel
leftovers  threads and connections that an import leaves behind; a worker checks them, too
app        the checks of the application
examine    all of them
"""
