"""Generator jobs: run each to its end, and store its items.

    writer      store the items of one run: those that come close together in one round trip
    generators  turn generator functions into functions that can run

Each of these imports only from those above it.
"""
