"""Words of Celery, RQ, Dramatiq, Huey, arq and taskiq, and their equivalents in taskq. Imported only to write an error."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

__all__ = [
    "ATTRIBUTES",
    "COMMANDS",
    "FLAGS",
    "OPTIONS",
    "SUBCLASS",
    "Word",
    "advice",
    "command_hint",
    "flag_hint",
    "instead_of",
    "option_hint",
]


class Word(NamedTuple):
    """An option of another queue: the option that replaces it ("" for none), what to write, and how the meaning differs."""

    ours: str
    write: str
    differs: str = ""


_NO_WORKFLOWS = "taskq has no workflows: push the next job at the end of the first one"
_NO_SCHEDULER = "taskq has no scheduler: let cron run taskq push"
_NO_EXPIRY = "messages don't expire: pass the deadline as an argument, and raise taskq.Drop in the job when it is over"
_NO_PRIORITY = "messages of a channel have no priority: give urgent jobs a separate channel, @queue.job(channel=...)"
_AROUND = "write @queue.around for code around each run, @queue.pushing for code at each push, or listen to taskq.events"


def _words(words: str, text: str) -> dict[str, str]:
    return dict.fromkeys(words.split(), text)


_JOB = {
    **_words("send enqueue kiq enqueue_job", "push a call with job.push(...)"),
    **_words("delay", "push a call with job.push(...); job.push(..., delay=60) runs it in 60 seconds"),
    **_words("apply_async send_with_options kicker set", 'push with options: job.options(delay=60, channel="mail").push(...)'),
    **_words("schedule", "push for later with job.push(..., delay=60) or job.options(at=...).push(...)"),
    **_words(
        "s si subtask message message_with_options",
        "bind arguments with job.bind(...), and push the call with its push(); no result of an earlier job is added to them",
    ),
    **_words("call_local apply run", "a plain call runs the function here: job(...)"),
    **_words("fn func original_func", "the function is job.function"),
    **_words("map starmap chunks", "push many calls with job.push_many([(1,), (2,)])"),
    **_words("retry", "raise taskq.Retry(delay=60) in the job"),
    **_words("request get_current_message", "the running job reads taskq.current()"),
    **_words("update_state", "the running job calls taskq.progress(done, total)"),
    **_words("AsyncResult", "recreate a handle with queue.handle(id, channel)"),
    **_words("chain chord link then pipe replace", _NO_WORKFLOWS),
    **_words("delay_on_commit apply_async_on_commit", "pass job.bind(...).push to transaction.on_commit"),
    **_words("revoke", "cancel a call with its handle: handle.cancel()"),
    **_words("max_retries default_retry_delay soft_time_limit time_limit", "options are arguments of @queue.job"),
}

_CALL = {
    **_words("delay send enqueue kiq", "push the call with call.push()"),
    **_words("apply_async set kicker", "push it with other options: call.with_options(delay=60).push()"),
    **_words("apply run", "a plain call runs it here: call()"),
    **_words("get ready id", "push() returns the handle: call.push()"),
    **_words("link link_error then pipe", _NO_WORKFLOWS),
}

_HANDLE = {
    **_words(
        "get wait join get_result wait_result return_value latest_result",
        "wait for the result with handle.result(timeout=10); it needs result_ttl",
    ),
    **_words("ready is_ready is_finished", "read handle.status().is_ended"),
    **_words("successful is_success", 'read handle.status().state == "done"'),
    **_words("failed is_failed is_err", 'read handle.status().state == "failed"'),
    **_words("state get_status is_queued is_started is_deferred", "read handle.status().state"),
    **_words("revoke abort send_stop_job_command", "cancel it with handle.cancel()"),
    **_words("forget", "results expire after their result_ttl; handle.delete() removes a message that is waiting"),
    **_words("traceback exc_info error", "read handle.status().error, or catch taskq.JobFailed of handle.result()"),
    **_words("info meta", "read progress with handle.progress()"),
    **_words("date_done ended_at", "read handle.status().ended_at"),
    **_words("task_id job_id message_id key", "the id is handle.id"),
    **_words("children parent collect then", _NO_WORKFLOWS),
    **_words("requeue reschedule", "move a failed message back with taskq reload"),
}

_QUEUE = {
    **_words("task actor cron_task", "decorate a function with @queue.job"),
    **_words(
        "enqueue enqueue_call enqueue_job enqueue_many delay send_task apply_async kiq",
        "push a job with job.push(...), a name with queue.push_name(name, args), or any function with queue.call(function, ...)",
    ),
    **_words("enqueue_in", "push for later with job.push(..., delay=60)"),
    **_words("enqueue_at", "push for later with job.options(at=...).push(...)"),
    **_words("periodic_task add_periodic_task cron crontab schedule scheduled_job on_after_configure beat_schedule", _NO_SCHEDULER),
    **_words("autodiscover_tasks", 'set imports in the settings, or Queue(imports=["shop.*.jobs"])'),
    **_words("conf config config_from_object", "settings are arguments of Queue(...), TASKQ_* variables, or the file taskq.toml"),
    **_words("AsyncResult fetch_job result", "recreate a handle with queue.handle(id, channel)"),
    **_words("revoke revoke_by_id", "cancel a message with queue.cancel(id, channel)"),
    **_words("signature chain group chord pipeline", _NO_WORKFLOWS),
    **_words("worker_main start run run_worker Worker", "run a worker with queue.work(), or with the command taskq worker"),
    **_words("broker backend connection", "the server's URL is queue.settings.url"),
    **_words("add_middleware middleware middlewares signal pre_execute post_execute", _AROUND),
    **_words("on_startup startup", "run code in each worker process with @queue.on_start"),
    **_words("shutdown on_shutdown", "run code in each worker process with @queue.on_stop"),
    **_words("purge empty flush", "delete messages with the command taskq flush"),
    **_words("control inspect inspector info count pending get_jobs active", "use taskq.Inspector(queue), or the command taskq info"),
    **_words("tasks actors", "the jobs are queue.jobs"),
}

_LISTEN = "listen to taskq.events.after, retry or failed, or write @queue.around"

#: Attributes that subclasses of Celery's Task define, and that would have no effect in a subclass of Job.
SUBCLASS = {
    **_words("on_failure", "write @queue.job(on_fail=function), or listen to taskq.events.failed"),
    **_words("on_success on_retry before_start after_return", _LISTEN),
    **_words("run perform", "the decorated function is what a worker runs"),
    **_words("autoretry_for max_retries default_retry_delay retry_backoff retry_jitter throws", "set retries with Queue(job_defaults=...)"),
    **_words("time_limit soft_time_limit", "set handle_timeout with Queue(job_defaults=...)"),
    **_words("acks_late ignore_result track_started rate_limit abstract", "leave it out"),
}

_EVENTS = {
    **_words("task_success success done job_success", "listen to taskq.events.after"),
    **_words("task_postrun", "each run ends with one event, such as after, retry, failed or cancelled; @queue.around wraps all runs"),
    **_words("expired", _NO_EXPIRY),
    **_words("task_failure failure error job_failure", "listen to taskq.events.failed"),
    **_words("task_prerun start started before_process_message", "listen to taskq.events.before"),
    **_words("task_retry", "listen to taskq.events.retry"),
    **_words("task_revoked revoked", "listen to taskq.events.cancelled"),
    **_words("before_task_publish task_sent", "write @queue.pushing"),
    **_words("after_task_publish", "write @queue.pushed"),
    **_words("worker_process_init", "write @queue.on_start, or listen to taskq.events.child_start"),
    **_words("worker_process_shutdown", "write @queue.on_stop, or listen to taskq.events.child_stop"),
    **_words("worker_ready worker_init", "listen to taskq.events.worker_start"),
    **_words("worker_shutdown worker_shutting_down", "listen to taskq.events.worker_stop"),
}

_RECORDING = {
    **_words("assert_not_pushed assert_nothing_pushed assert_not_called", "write assert_none_pushed(job)"),
    **_words("assert_called assert_called_with assert_enqueued assert_sent", "write assert_pushed(job, ...)"),
    **_words("assert_pushed_once assert_called_once assert_called_once_with", "write assert_pushed(job, ..., count=1)"),
    **_words("arun_all run work drain join execute", "write run_all(), also in async tests"),
    **_words("messages jobs tasks calls pushes queue", "the pushes are in pushed, and those that have not run in pending"),
}

_MODULE = {
    **_words("task shared_task actor job", "create queue = taskq.Queue(), and decorate with @queue.job"),
    **_words("Celery Huey RedisHuey", "create queue = taskq.Queue()"),
    **_words("Task", "the class of a job is taskq.Job"),
    **_words("group chain chord", _NO_WORKFLOWS),
    **_words("crontab cron", _NO_SCHEDULER),
    **_words("AsyncResult", "recreate a handle with queue.handle(id, channel)"),
}

#: By the kind of object: the attribute of another queue, and what to write.
ATTRIBUTES = {"job": _JOB, "call": _CALL, "handle": _HANDLE, "queue": _QUEUE, "module": _MODULE, "events": _EVENTS, "recording": _RECORDING}

_TIMES = "Dramatiq counts milliseconds, taskq seconds"
_COUNTS = "It counts the first run, too: max_retries=3 is max_attempts=4"
_DELAY = Word("delay", "set the delay of a push: job.push(..., delay=3)")
_AT = Word("at", "set the time of a push: job.options(at=...).push(...)")
_RESULT = Word("result_ttl", "write @queue.job(result_ttl=3600). Without it, no result is stored")
_ATTEMPTS = Word("max_attempts", "write @queue.job(max_attempts=4)", _COUNTS)
_LIMIT = "write @queue.job(handle_timeout=60)"


def _options(words: str, word: Word) -> dict[str, Word]:
    return dict.fromkeys(words.split(), word)


#: Options of a job, of a push, or of a worker.
OPTIONS = {
    **_options("countdown _defer_by delay", _DELAY),
    **_options("eta schedule_at _defer_until at", _AT),
    **_options("headers", Word("headers", "set the headers of a push: job.options(headers=...).push(...), or with queue.headers(...)")),
    **_options("queue queue_name _queue_name routing_key", Word("channel", 'write @queue.job(channel="mail")')),
    **_options("max_retries", _ATTEMPTS),
    **_options("retries", _ATTEMPTS._replace(differs=_COUNTS.replace("max_retries", "retries"))),
    **_options("retry", _ATTEMPTS._replace(differs=_COUNTS.replace("max_retries=3", "Retry(max=3)"))),
    **_options("max_tries", _ATTEMPTS._replace(differs="")),
    **_options("timeout job_timeout", Word("handle_timeout", _LIMIT)),
    **_options("time_limit", Word("handle_timeout", _LIMIT, _TIMES)),
    **_options("soft_time_limit", Word("handle_timeout", _LIMIT, "The job gets taskq.JobTimeout; a job that ignores it is killed")),
    **_options("default_retry_delay retry_delay interval", Word("retry_seconds", "write @queue.job(retry_seconds=60)")),
    **_options("retry_backoff exponential_backoff", Word("backoff", "write @queue.job(backoff=True)")),
    **_options("retry_backoff_max retry_jitter", Word("backoff", "write @queue.job(backoff=taskq.Backoff(cap=600, jitter=True))")),
    **_options("min_backoff max_backoff", Word("backoff", "write @queue.job(backoff=taskq.Backoff(base=1, cap=600))", _TIMES)),
    **_options("autoretry_for retry_for", Word("retry_on", "write @queue.job(retry_on=OSError)", "By default, every exception is retried")),
    **_options("throws dont_autoretry_for", Word("give_up_on", "write @queue.job(give_up_on=ValueError)")),
    **_options("result_expires keep_result store_results", _RESULT),
    **_options("ignore_result", Word("result_ttl", "leave it out: a job without result_ttl stores no result", "0 stores no result")),
    **_options("ttl expires max_age _expires", Word("", _NO_EXPIRY)),
    **_options("failure_ttl", Word("failed_ttl", "set failed_ttl for the channel in the settings")),
    **_options("priority at_front", Word("", _NO_PRIORITY)),
    **_options("bind context pass_context", Word("", "leave it out: the running job reads taskq.current(), and raises taskq.Retry()")),
    **_options("acks_late", Word("", "leave it out: a message is settled after its run")),
    **_options("reject_on_worker_lost", Word("on_lost", 'leave it out: on_lost="retry" is the default')),
    **_options("on_failure link_error", Word("on_fail", "write @queue.job(on_fail=function)")),
    **_options("on_success link depends_on pipe_target", Word("", _NO_WORKFLOWS)),
    **_options("cron crontab run_every", Word("", _NO_SCHEDULER)),
    **_options("rate_limit", Word("", "taskq has no rate limits: give the job a channel with few processes")),
    **_options("base", Word("job_class", "write @queue.job(job_class=AppJob)")),
    **_options("task_id job_id _job_id", Word("", "taskq chooses the id: store handle.id")),
    **_options("actor_name task_name", Word("name", 'write @queue.job(name="send")')),
    **_options("args kwargs", Word("", "write the arguments as in a call: job.push(1, name=2)")),
    **_options("task_serializer", Word("serializer", 'write @queue.job(serializer="json")')),
    **_options("broker broker_url redis_url", Word("url", "write Queue(url)")),
    **_options("max_tasks_per_child worker_max_tasks_per_child", Word("max_messages", "set max_messages for the channel in the settings")),
}

_INFO = "taskq info shows counts and workers, and taskq info --watch refreshes them"

#: Commands of other queues.
COMMANDS = {
    **_words("status stats inspect events flower monitor dashboard top ps active workers queues channels", _INFO),
    **_words("purge empty clear", "taskq flush deletes all messages of a state"),
    **_words("run start consumer celery work multi", "taskq worker starts a worker"),
    **_words("stop shutdown kill quit", "stop a worker with Ctrl-C or SIGTERM"),
    **_words("restart", "SIGHUP restarts the processes of a worker, a few at a time"),
    **_words("beat scheduler schedule cron periodic", _NO_SCHEDULER),
    **_words("logs log", "a worker logs to its standard error"),
    **_words("version", "taskq --version prints the version"),
    **_words("shell", "start Python, and import your queue"),
    **_words("call send enqueue delay apply", "taskq push pushes a call"),
    **_words("revoke abort", "taskq cancel cancels a message"),
    **_words("requeue replay", "taskq reload moves failed messages back to waiting"),
    **_words("jobs tasks messages registered ls failed", "taskq list lists the messages of a state"),
    **_words("result get", "taskq show shows a message, and handle.result() returns its result"),
    **_words("rm remove", "taskq delete deletes one message"),
    **_words("conf settings", "taskq config shows every setting"),
    **_words("check health report", "taskq doctor checks the setup"),
}

#: Options of the commands of other queues, without their dashes: the option that replaces them, and what to write where it isn't valid.
FLAGS = {
    **_options("A app", Word("--app", "name the app as in: taskq worker shop.jobs:queue")),
    **_options("Q q queues queue", Word("--channel", "")),
    **_options("c concurrency", Word("--processes", "", "--concurrency is the number of jobs at once in each process")),
    **_options("p P pool workers num-workers", Word("--processes", "")),
    **_options("t threads", Word("--concurrency", "")),
    **_options("l loglevel v verbose", Word("--log-level", "")),
    **_options("B beat scheduler with-scheduler", Word("", _NO_SCHEDULER)),
    **_options("reload autoreload", Word("", "taskq dev reloads changed code")),
    **_options("D detach daemon", Word("", "let a service manager run taskq worker, such as systemd")),
    **_options("logfile", Word("", "a worker logs to its standard error")),
    **_options("b broker u redis-url", Word("--url", "")),
    **_options("max-tasks-per-child max-jobs", Word("", "set max_messages for the channel in the settings")),
    **_options("max-memory-per-child", Word("", "set max_memory for the channel in the settings")),
    **_options("time-limit soft-time-limit", Word("", "set handle_timeout for the job or its channel")),
    **_options("countdown eta at", Word("--delay", "")),
    **_options("status", Word("--state", "")),
    **_options("n count", Word("--limit", "")),
    **_options("y force no-input", Word("--yes", "")),
}


def flag_hint(word: str, ours: Collection[str]) -> str | None:
    """Return the end of an error about an unknown option of a command: what replaces it, or None."""
    found = FLAGS.get(word)
    if found is None:
        return None
    if found.ours in ours:
        return f"write {found.ours}" + (f" ({found.differs})" if found.differs else "")
    return found.write or None


def instead_of(kind: str, name: str) -> str | None:
    """Return what to write instead of an attribute of another queue, or None if the name is not such a word."""
    return ATTRIBUTES[kind].get(name)


def option_hint(word: str, ours: Collection[str], *, prefix: str = "") -> str | None:
    """Return the end of an error about an unknown option: what replaces it, or None if it is not an option of another queue.

    Args:
        ours: the options that are valid here.
        prefix: is shown before the valid option.
    """
    found = OPTIONS.get(word)
    if found is None or found.ours not in ours:
        return None
    return f'did you mean "{prefix}{found.ours}"?' + (f" {found.differs}" if found.differs else "")


def advice(word: str) -> str | None:
    """Return what to write instead of an option of another queue, in a place where its replacement is not an option either."""
    found = OPTIONS.get(word)
    return None if found is None else f"{found.write}. {found.differs}".rstrip(". ")


def command_hint(word: str) -> str | None:
    """Return what to type instead of a command of another queue, or None."""
    return COMMANDS.get(word)
