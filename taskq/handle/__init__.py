"""What `push` returns: a handle, and all that it can ask the server about its message.

    subject    the message in question, and how to read its stored result
    waiting    wait for the result
    status     where the message is, and its progress
    cancel     cancel the message
    stream     read the items of a generator job
    handle     the handle itself

Each of these imports only from those above it. The questions are steps (`taskq.driver.steps`): one text for sync and async callers.
"""
