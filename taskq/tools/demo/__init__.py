"""What `taskq demo` does: counts every file of a folder with jobs, on a server and with workers of its own, and checks the sums.

    counting    one file's hash, bytes, lines and words
    files       the files of a folder, and why some are left out
    results     what the jobs have found: a file that they append to
    app         the queue and its jobs
    place       the server and the scratch directory, gone at the end
    check       do the results add up?
    run         the demo from the first push to the last check

Each of these imports only from those above it. How it looks is said in taskq/cli.
"""
