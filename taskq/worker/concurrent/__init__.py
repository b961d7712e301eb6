"""The engine for several jobs at a time: coroutine jobs as tasks on the event loop, others in threads.

    timers              call functions at their time, in a thread
    threads             call jobs in threads, each within its time limit
    job_threads         the threads of all lanes, which take calls from one inbox
    lane                one lane: one message at a time
    lane_pool           which lanes are free, busy, or waiting for their message to be settled
    wakeup              wait for the server, signals and other threads at once
    completions         finished runs, added by lanes from any thread and settled by the pump
    blocking_reserve    a blocking reserve on a second connection, so that the first can settle meanwhile
    pump                the thread that reserves and settles
    engine              puts the parts together

Each of these imports only from those above it.
"""
