"""The simulated network between the parties and the server.

request      a command in transit, and how a history shows it
connection   a connection that waits in virtual time
delivery     decides when and whether each command arrives

Each of these imports only from those above it.
"""
