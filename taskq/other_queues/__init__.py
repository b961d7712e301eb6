"""Help for users of other queues: errors that name the equivalent of a word of Celery, RQ, Dramatiq, Huey, arq or taskiq.

    words         the table of words: attributes, options and commands, and what to write instead
    attributes    the `__getattr__` of the public objects, whose AttributeError has the advice

Each of these imports only from those above it.
"""
