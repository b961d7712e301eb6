"""The contenders: their versions, and their workers as their documentation starts them."""

from __future__ import annotations

from tests.benchmarks.contender import Contender

__all__ = ["BLMOVE", "LUA", "PEERS", "TASKQ"]

TASKQ = Contender(
    name="taskq",
    app="taskq_app",
    worker=("python", "-m", "taskq", "worker", "taskq_app", "--processes", "2"),
    jobs=300_000,
    setup="The defaults, two processes.",
)
LUA = Contender(
    name="bare Lua batches",
    app="bare_app",
    worker=("python", "bare_app.py", "lua"),
    copies=2,
    jobs=500_000,
    setup="A loop: one script call settles 64 messages and reserves the next 64; `pickle.loads`, the call. A limit, not a queue.",
)
BLMOVE = Contender(
    name="bare BLMOVE",
    app="bare_app",
    worker=("python", "bare_app.py", "blmove"),
    copies=2,
    jobs=40_000,
    setup="A loop: `BLMOVE` of one message, `pickle.loads`, the call; nothing is ever settled. A limit, not a queue.",
)

_HIREDIS = "hiredis==3.5.0"
_SYNC_PUSH = "its push is synchronous"
_ONE_BY_ONE = "no bulk push: each message is sent separately"
_DELAY_PROCESS = "delayed tasks need another process, the scheduler"
_NO_COROUTINES = "doesn't run coroutines"

PEERS = (
    Contender(
        name="Dramatiq",
        app="dramatiq_app",
        worker=("dramatiq", "--processes", "2", "dramatiq_app"),
        jobs=8_000,
        requires=("dramatiq==2.2.1", "redis==8.1.0", _HIREDIS),
        lacks={"bulk": _ONE_BY_ONE, "apush": _SYNC_PUSH},
        setup="`dramatiq --processes 2`: 8 threads in each, the default.",
    ),
    Contender(
        name="Huey",
        app="huey_app",
        worker=("huey_consumer", "huey_app.huey", "-k", "process", "-w", "2", "-q"),
        jobs=8_000,
        requires=("huey==3.5.4", "redis==8.1.0", _HIREDIS),
        lacks={"async": _NO_COROUTINES, "bulk": _ONE_BY_ONE, "apush": _SYNC_PUSH},
        setup="`huey_consumer -k process -w 2 -q`. It removes a task from the queue before the run.",
    ),
    Contender(
        name="taskiq (stream)",
        app="taskiq_app",
        worker=("taskiq", "worker", "taskiq_app:broker", "--workers", "2", "--log-level", "WARNING"),
        jobs=8_000,
        requires=("taskiq[uv]==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0", _HIREDIS),
        home="taskiq",
        is_async=True,
        lacks={"delayed": _DELAY_PROCESS, "bulk": _ONE_BY_ONE},
        setup="`taskiq worker --workers 2`, uvloop installed, with the stream broker of its README, which acknowledges.",
    ),
    Contender(
        name="taskiq (list)",
        app="taskiq_app",
        worker=("taskiq", "worker", "taskiq_app:broker", "--workers", "2", "--log-level", "WARNING"),
        jobs=8_000,
        home="taskiq",
        env={"BENCH_BROKER": "list"},
        is_async=True,
        setup="The same with the list broker, which has no acknowledgements.",
    ),
    Contender(
        name="RQ",
        app="rq_app",
        worker=("rq", "worker-pool", "--num-workers", "2", "--quiet", "--url", "{url}"),
        jobs=200,
        requires=("rq==3.0.0", "redis==8.1.0", _HIREDIS),
        setup="`rq worker-pool --num-workers 2`: forks for each job, as its documentation recommends for production.",
    ),
    Contender(
        name="RQ (SimpleWorker)",
        app="rq_app",
        worker=("rq", "worker-pool", "-n", "2", "--quiet", "--worker-class", "rq.worker.SimpleWorker", "--url", "{url}"),
        jobs=1_500,
        home="RQ",
        lacks={"apush": _SYNC_PUSH},
        workers={"delayed": ("rq", "worker", "--with-scheduler", "--quiet", "-w", "rq.worker.SimpleWorker", "--url", "{url}")},
        setup="The same with the worker that doesn't fork; its documentation recommends it for extremely short jobs.",
    ),
    Contender(
        name="Celery",
        app="celery_app",
        worker=("celery", "--app", "celery_app", "worker", "--concurrency", "2"),
        jobs=3_000,
        requires=("celery[redis]==5.7.0", "redis==8.1.0", _HIREDIS, "packaging==26.3"),
        lacks={"async": _NO_COROUTINES, "bulk": _ONE_BY_ONE, "apush": _SYNC_PUSH},
        setup="`celery worker --concurrency 2`, prefork, prefetching 128, results ignored, as its guide recommends for many short tasks.",
    ),
    Contender(
        name="SAQ",
        app="saq_app",
        worker=("saq", "saq_app.settings", "--workers", "2", "--quiet"),
        jobs=4_000,
        requires=("saq[hiredis]==0.26.4", "redis==7.4.1", _HIREDIS, "typing_extensions==4.16.0"),
        is_async=True,
        lacks={"bulk": _ONE_BY_ONE},
        setup="`saq --workers 2`: 10 jobs at once in each, the default; finished jobs are not kept.",
    ),
    Contender(
        name="arq",
        app="arq_app",
        worker=("arq", "arq_app.WorkerSettings"),
        copies=2,
        jobs=2_000,
        requires=("arq==0.28.0", "redis==5.3.1", _HIREDIS),
        is_async=True,
        lacks={"bulk": _ONE_BY_ONE},
        setup="Two of `arq`: 10 jobs at once in each, the default; no results.",
    ),
    Contender(
        name="streaQ",
        app="streaq_app",
        worker=("streaq", "run", "streaq_app:worker", "--workers", "2"),
        jobs=6_000,
        requires=("streaq==7.2.0", "coredis==6.9.0"),
        is_async=True,
        setup="`streaq run --workers 2`: 16 jobs at once in each, the default; no results, no log line per task.",
    ),
    Contender(
        name="docket",
        app="docket_app",
        worker=("docket", "worker", "--tasks", "docket_app:tasks", "--url", "{url}", "--logging-level", "WARNING"),
        copies=2,
        jobs=3_000,
        requires=("pydocket==0.27.0", "redis==8.1.0", _HIREDIS),
        is_async=True,
        setup="Two of `docket worker`: 10 jobs at once in each, the default. It keeps the state of a job for 15 minutes, the default.",
    ),
)
