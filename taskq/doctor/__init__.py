"""`taskq doctor`: looks at server, application and channels, and says what to change and why.

finding    what a check has found, and how bad it is
facts      what a server tells of itself
versions   the versions with known holes in their Lua
server     the checks of a server
channel    the checks of a channel
app        the checks of the application
examine    all of them
"""
