"""`taskq demo`: counts every file of a folder with jobs, on a separate server with separate workers, and checks the totals.

    counting    one file's hash, bytes, lines and words
    files       the files of a folder, and why some are left out
    results     what the jobs have found: a file that they append to
    app         the queue and its jobs
    place       the server and the scratch directory, gone at the end
    check       do the results add up?
    run         the demo from the first push to the last check

Each of these imports only from those above it. The views are in taskq/cli.
"""
