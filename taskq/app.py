"""Load the application: from "shop.jobs:queue" to the Queue in that module, with the modules of `imports`."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from taskq.config import did_you_mean, working_directory
from taskq.config.modules import find_modules, is_pattern
from taskq.errors import AppError, JobDefinitionError, UnknownChannel
from taskq.jobs.around.wrapper import check_wrappers
from taskq.logs import count_of
from taskq.push.importing import GUARD, AppImport, is_app_file
from taskq.queue import Queue
from taskq.shadowing import hidden_modules

__all__ = ["check_unpatched", "count_threads", "import_modules", "load_app"]

_log = logging.getLogger("taskq.app")
#: Libraries that patch the standard library, and where each lists what it has patched.
_PATCHING = (("gevent", "gevent.monkey", "saved"), ("eventlet", "eventlet.patcher", "already_patched"))


def load_app(name: str, directory: Path | None = None, *, modules: Sequence[str] = (), refuse_pushes: bool = False) -> Queue:
    """Import a module and return the queue in it; also import the modules of `imports`. Log a warning if that used the queue's server.

    Args:
        name: "package.module:attribute", or "package.module" if the module defines exactly one queue.
        directory: the directory to put first on the import path. Default: the working directory.
        modules: names and patterns of modules to import before those of the setting `imports`.
        refuse_pushes: let pushes during the import raise an error. Otherwise they are counted, for the warning.

    Raises:
        AppError: a module can't be imported; the first defines no queue or several; a pattern matches no module; a job is below
            @classmethod or has a type hint that can't be resolved or checked; or a wrapper can't wrap its jobs. `__cause__` is the
            exception.
    """
    path = str(directory or working_directory())
    if path not in sys.path:
        sys.path.insert(0, path)
    module_name, _, attribute = name.partition(":")
    if not module_name or module_name.endswith(".py") or module_name.startswith(".") or "/" in module_name:
        raise AppError(f"app {name!r}: expected a module name such as shop.jobs:queue, not a file path")
    with AppImport(module_name, refuses=refuse_pushes) as importing:
        module = _import(f"app {name!r}", module_name, path, importing)
        queue = _named(module, attribute) if attribute else _only(module)
        _import_more(queue, modules, "command line", importing)
        _import_more(queue, queue.settings.imports, queue.settings.origins["imports"], importing)
    _check_jobs(queue, f"app {name!r}: ")
    _warn_of_use(importing, queue)
    return queue


def import_modules(queue: Queue) -> None:
    """Import the modules of the setting `imports`, for a program that runs a worker itself.

    Raises:
        AppError: a module can't be imported, a pattern matches none, or a type hint of a job can't be resolved or checked.
    """
    was_used = queue.outbox.is_used()  # by the program itself
    with AppImport("", refuses=False) as importing:
        _import_more(queue, queue.settings.imports, queue.settings.origins["imports"], importing)
    _check_jobs(queue, "")
    if importing.count or not was_used:
        _warn_of_use(importing, queue)


def _check_jobs(queue: Queue, prefix: str) -> None:
    """Check what can only be known once the modules of the jobs are imported: their places in classes, their type hints and wrappers."""
    try:
        for job in queue.jobs:
            job.check_place()
            queue.outbox.packer.validator(job)
        check_wrappers(queue)
    except (JobDefinitionError, UnknownChannel) as error:
        raise AppError(f"{prefix}{error}") from error


def count_threads() -> int:
    """Return the number of threads of this process, on Linux with those of C libraries."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def check_unpatched() -> None:
    """Check that no library has replaced the standard library's functions by its own in this process.

    Raises:
        AppError: gevent or eventlet has replaced them. Its `waitpid` hides the exits of worker processes from taskq: a kill at the time
            limit would count as a crash, and the job would run again.
    """
    for library, module, patched in _PATCHING:
        if getattr(sys.modules.get(module), patched, None):
            raise AppError(
                f"{library} has patched the standard library here, which hides how worker processes end: don't call its monkey patch in "
                "a module that a worker imports. To run several jobs at once, set `concurrency`"
            )


def _warn_of_use(importing: AppImport, queue: Queue) -> None:
    if importing.count and importing.refuses:  # the app has caught the error
        _log.warning("refused to push %s: %s", count_of(importing.count, "message"), importing.refusal())
    elif importing.count:
        text = "importing %s pushed %s, and every command or worker that imports the app pushes again: %s"
        _log.warning(text, importing.module, f"{count_of(importing.count, 'message')}{importing.place}", GUARD)
    elif queue.outbox.is_used():
        text = "importing %s read messages, and every command that imports the app repeats that: move that code under %s"
        _log.warning(text, importing.module, '`if __name__ == "__main__":`')


def _import_more(queue: Queue, names: Sequence[str], origin: str, importing: AppImport) -> None:
    """Import modules, in the order of the names; those of a pattern in alphabetical order."""
    path = str(queue.settings.directory)
    if names and path not in sys.path:
        sys.path.append(path)
    for name in names:
        what = f"imports: {name!r} ({origin})"
        found = find_modules(name) if is_pattern(name) else [name]
        if not found:
            package = name.partition(".")[0]
            _import(what, package, path, importing)  # which reports a missing package
            text = f"{what}: no module matches; * matches one level of packages, and ** any number"
            raise AppError(f"{text}{_place(sys.modules[package])}")
        for module_name in found:
            module = _import(what, module_name, path, importing)
            for other in _queues(module):
                if vars(module)[other] is not queue and vars(module)[other].jobs.names():
                    text = "%s:%s is not the app's queue, so this worker or command doesn't have its jobs. %s"
                    _log.warning(text, module_name, other, "Import the app's queue there")


def _import(what: str, module_name: str, path: str, importing: AppImport) -> ModuleType:
    if not importing.count:
        importing.module = module_name
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(error.name + ".")):
            if meant := _with_colon(error.name):
                raise AppError(f'{what}: no module named {error.name!r}; did you mean "{meant}"?') from error
            if _is_below_src(error.name, path):
                remedy = "install the project (pip install -e .), or set PYTHONPATH=src for workers and producers"
                raise AppError(f"{what}: no module named {error.name!r} in {path}, but in {Path(path, 'src')}: {remedy}") from error
            raise AppError(
                f"{what}: no module named {error.name!r} in {path} or on the Python path. Run taskq in the project's directory"
            ) from error
        text = f"{what}: importing {module_name} failed: it imports {error.name!r}, which is not installed"
        raise AppError(f"{text}{_raised_at(error)}{_hidden()}") from error
    except SystemExit as error:
        text = f"{what}: importing {module_name} called sys.exit(){_raised_at(error)}"
        raise AppError(f'{text}: move that call under `if __name__ == "__main__":`') from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # such as a panic of a library in Rust
        if isinstance(error, AppError) and importing.refuses and importing.count:
            raise AppError(f"{what}: {error}") from error
        text = f"{what}: importing {module_name} failed: {type(error).__name__}: {error}"
        raise AppError(f"{text}{_raised_at(error)}{_hidden()}") from error


def _is_below_src(module_name: str, path: str) -> bool:
    package = Path(path, "src", module_name.partition(".")[0])
    return package.is_dir() or package.with_suffix(".py").is_file()


def _hidden() -> str:
    text = hidden_modules()
    return f". {text}" if text else ""


def _with_colon(name: str) -> str | None:
    """Return "jobs:queue" for the name "jobs.queue", if that is a queue."""
    module, _, attribute = name.rpartition(".")
    found = getattr(sys.modules.get(module), attribute, None)
    return f"{module}:{attribute}" if isinstance(found, Queue) else None


def _raised_at(error: BaseException) -> str:
    """Return the last line of the app that led to an error. A syntax error has its own place."""
    place = ""
    for frame, line in traceback.walk_tb(None if isinstance(error, SyntaxError) else error.__traceback__):
        file = frame.f_code.co_filename
        if is_app_file(file):
            place = f" ({file}:{line})"
    return place


def _named(module: ModuleType, attribute: str) -> Queue:
    found: object = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = _queues(module)
            advice = did_you_mean(attribute, names) if names else "the module has no Queue: add queue = taskq.Queue()"
            raise AppError(f"app: {module.__name__} has no {attribute!r}; {advice}{_place(module)}") from None
    if not isinstance(found, Queue):
        text = f"app: {module.__name__}:{attribute} is a {type(found).__name__}, not a taskq.Queue"
        raise AppError(f"{text}{_place(module)}" if isinstance(found, ModuleType) else text)
    return found


def _only(module: ModuleType) -> Queue:
    names = _queues(module)
    queues = {id(vars(module)[name]): name for name in names}
    if not queues:
        raise AppError(
            f"app: {module.__name__} has no Queue: add queue = taskq.Queue() and decorate your jobs with @queue.job{_place(module)}"
        )
    if len(queues) > 1:
        choices = " or ".join(f"{module.__name__}:{name}" for name in names)
        raise AppError(f"app: {module.__name__} has several queues: choose one, {choices}")
    found: Queue = vars(module)[next(iter(queues.values()))]
    return found


def _place(module: ModuleType) -> str:
    """Return the file of a module: another one of the same name may have been found first, such as json.py."""
    file = getattr(module, "__file__", None)
    if not file:
        return ""
    name = module.__name__.partition(".")[0]
    own = Path(sys.path[0], f"{name}.py")
    if own.is_file() and not own.samefile(file):
        return f" (loaded from {file}, not from your file {own}: rename yours)"
    return f" (loaded from {file})"


def _queues(module: ModuleType) -> list[str]:
    return [name for name, value in vars(module).items() if isinstance(value, Queue)]
