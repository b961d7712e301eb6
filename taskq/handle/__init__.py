"""Handles, which `push` returns: the queries about one message, and its cancellation.

    subject        the message that a query is about, and its stored result
    own_channel    jobs that wait for a message of their own channel
    unserved       warn callers that wait in a channel that no worker consumes
    waiting        wait for the result
    status         the state of the message, and its progress
    cancel         cancel the message
    stream         read the items of a generator job
    handle         the handle itself

Each of these imports only from those above it. Queries are steps (`taskq.driver.steps`), shared by sync and async callers.
"""
