"""The bytes of messages, results, progress reports and worker reports. Pure functions, no I/O. docs/wire-format.md describes the layout.

    signing     signatures of messages, results and reports
    pickles     pickles, and the names of what a script defines
    codec       arguments and results to bytes and back: pickle, JSON and MessagePack
    headers     the headers of a message
    message     a message: head, body, history, signature
    history     the attempts of a message
    foreign     plain JSON messages, pushed by clients of other languages
    ending      a stored result: the return value, or the reason why it is missing
    progress    a progress report
    activity    the activity of a worker process

Each of these imports only from those above it.
"""
