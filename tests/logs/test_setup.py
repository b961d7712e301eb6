"""Setting up logging in the processes of a worker, with an app that does the same."""

from __future__ import annotations

import json
import logging
import logging.config
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import pytest

from taskq.errors import ConfigError
from taskq.logs import OutputHandler, before_import, keep_enabled, set_up_again, set_up_logging
from taskq.logs.setup import _NAMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TextIO]:
    """Standard error, in a file. The root logger has no handlers; logging is restored afterwards."""
    root = logging.getLogger()
    loggers = [root, *map(logging.getLogger, (*_NAMES, "shop", "shop.audit"))]
    before = [(one, one.level, one.handlers[:], one.propagate, type(one)) for one in loggers]
    last, disabled = logging.lastResort, logging.root.manager.disable
    opened = set(logging._handlerList)
    with (tmp_path / "stderr").open("w") as file:
        names = dict.fromkeys(("stdout", "stderr", "__stdout__", "__stderr__"), file)
        monkeypatch.setattr("taskq.logs.setup.sys", SimpleNamespace(**names))
        yield file
    for reference in set(logging._handlerList) - opened:
        if (handler := reference()) is not None:
            handler.close()
    logging.disable(disabled)
    logging.lastResort = last
    for one, level, handlers, propagate, kind in before:
        one.__class__ = kind
        one.setLevel(level)
        one.handlers[:], one.propagate, one.disabled = handlers, propagate, False


@pytest.fixture
def stderr(console: TextIO, tmp_path: Path) -> Any:
    """Returns the lines of the log, without time and process."""

    def lines() -> list[str]:
        console.flush()
        return [re.sub(r"^\S+ \S+ (\w+) +\[\d+\]", r"\1", line) for line in (tmp_path / "stderr").read_text().splitlines()]

    return lines


def test_all_loggers_are_known() -> None:
    """Given the source of taskq, then each logger in it is kept enabled."""
    sources = "".join(path.read_text() for path in (ROOT / "taskq").rglob("*.py"))
    assert set(re.findall(r'getLogger\("(taskq\b[\w.]*)"\)', sources)) == set(_NAMES)


@pytest.mark.parametrize(
    "config",
    [
        {"root": {"level": "INFO"}},
        {"root": {"level": "CRITICAL"}, "disable_existing_loggers": True},
        {"loggers": {"taskq": {"propagate": False}}},
        {"handlers": {"none": {"class": "logging.NullHandler"}}, "root": {"handlers": []}, "loggers": {"shop": {"handlers": ["none"]}}},
    ],
    ids=["the default", "a high level", "no propagation", "no handler"],
)
def test_no_configuration_of_the_app_mutes_taskq(config: dict[str, Any], stderr: Any) -> None:
    """Given an app that configures logging at its import, or later in a hook or a job, then the lines of taskq are there, once."""
    set_up_logging("INFO", "text")
    before_import(keep=False)
    logging.config.dictConfig({"version": 1, **config})
    set_up_again("INFO", "text", None, keep=False)
    logging.getLogger("taskq.worker").info("imported")
    logging.config.dictConfig({"version": 1, **config})
    logging.getLogger("taskq.worker").info("later")
    logging.getLogger("taskq.driver").debug("not shown")
    assert stderr() == ["INFO imported", "INFO later"]


def test_disabled_records_are_logged(stderr: Any) -> None:
    """Given an app that disables all records with `logging.disable`, then the level of the worker counts."""
    before_import(keep=False)
    logging.disable(logging.CRITICAL)
    set_up_again("WARNING", "text", None, keep=False)
    logging.getLogger("taskq.worker").warning("shown")
    assert stderr() == ["WARNING shown"]


def test_a_level_for_taskq_counts(stderr: Any) -> None:
    """Given an app that sets a level for the loggers of taskq, then it counts: that is no accident."""
    before_import(keep=False)
    logging.getLogger("taskq").setLevel(logging.ERROR)
    set_up_again("INFO", "text", None, keep=False)
    logging.getLogger("taskq.worker").warning("no")
    logging.getLogger("taskq.worker").error("yes")
    assert stderr() == ["ERROR yes"]


def test_loggers_of_any_class_are_kept_enabled() -> None:
    """Given a program with a class of loggers of its own, then its methods stay, and the logger can't be disabled."""

    class Own(logging.Logger):
        def notice(self) -> str:
            return "noticed"

    logger: Any = logging.getLogger("taskq.contrib")
    logger.__class__ = Own
    for _ in range(2):
        keep_enabled()
    logger.disabled = True
    assert (logger.disabled, logger.notice(), type(logger).__name__) == (False, "noticed", "Own")


def test_each_line_is_printed_once(console: TextIO, stderr: Any, tmp_path: Path) -> None:
    """Given loggers with handlers of their own, then a line that also reaches the root is printed once, and other outputs stay."""
    before_import(keep=False)
    shop, audit = logging.getLogger("shop"), logging.getLogger("shop.audit")
    shop.addHandler(logging.StreamHandler(console))
    shop.addHandler(logging.FileHandler(tmp_path / "shop.log"))
    audit.addHandler(logging.StreamHandler(console))
    audit.propagate = False
    set_up_again("INFO", "text", None, keep=False)
    shop.info("paid")
    audit.info("audited")
    assert stderr() == ["INFO paid", "audited"]
    assert (tmp_path / "shop.log").read_text() == "paid\n"


@pytest.mark.parametrize("keep", [False, True])
def test_handlers_of_the_app_are_replaced_or_kept(keep: bool, stderr: Any, tmp_path: Path) -> None:
    """Given `basicConfig` with a file, then its handler is replaced with a warning; with `keep`, it gets the lines of app and taskq."""
    file = tmp_path / "app.log"
    set_up_logging("INFO", "text")
    before_import(keep=keep)
    logging.basicConfig(filename=file, format="%(name)s %(message)s")
    (handler,) = logging.getLogger().handlers
    set_up_again("INFO", "text", None, keep=keep)
    logging.getLogger("shop").info("not at this level, if the app decides")
    logging.getLogger("shop").warning("sold out")
    logging.getLogger("taskq.worker").info("ran")
    if keep:
        assert stderr() == []
        assert file.read_text() == "shop sold out\ntaskq.worker ran\n"
    else:
        text = "WARNING log handlers of the app were replaced: <FileHandler .*app.log .*>. Keep them with --keep-logging, or configure .*"
        assert re.fullmatch(text, stderr()[0])
        assert stderr()[1:] == ["INFO not at this level, if the app decides", "WARNING sold out", "INFO ran"]
    handler.close()


def test_without_handlers_there_is_nothing_to_keep(stderr: Any) -> None:
    """Given `keep` and an app that sets up nothing, then its lines and those of taskq go to standard error."""
    set_up_logging("INFO", "text")
    before_import(keep=True)
    set_up_again("INFO", "text", None, keep=True)
    logging.getLogger("shop").info("sold")
    assert stderr() == ["INFO sold"]
    assert [type(one) for one in logging.getLogger().handlers] == [OutputHandler]


CONFIG = """
version = 1
formatters.json = {"()" = "taskq.logs.JsonFormatter"}
handlers.file = {class = "logging.FileHandler", filename = "FILE", formatter = "json"}
root = {level = "WARNING", handlers = ["file"]}
"""


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a_file_configures_the_log(form: str, console: TextIO, stderr: Any, tmp_path: Path) -> None:
    """Given a configuration in a file, then its handlers count, also after the app has configured its own; no logger is disabled."""
    path, log = tmp_path / f"log.{form}", tmp_path / "all.log"
    text = CONFIG.replace("FILE", str(log))
    path.write_text(text if form == "toml" else json.dumps(tomllib.loads(text)))
    set_up_logging("INFO", "text", str(path))
    before_import(keep=False)
    logging.basicConfig(stream=console)
    shop = logging.getLogger("shop")
    set_up_again("INFO", "text", str(path), keep=False)
    shop.warning("sold out", extra={"left": 0})
    shop.info("not at this level")
    logging.getLogger("taskq.worker").info("ran")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(entry["message"], entry.get("left")) for entry in entries] == [("sold out", 0), ("ran", None)]
    assert stderr() == []


@pytest.mark.parametrize(
    ("name", "text", "reported"),
    [
        ("none.toml", None, "none.toml: No such file or directory"),
        ("a.toml", "x =", "a.toml: not valid TOML: "),
        ("a.json", "{", "a.json: not valid JSON: "),
        ("a.json", "[]", "must be an object as for logging.config.dictConfig; got list"),
        ("a.toml", "version = 2", "a.toml: Unsupported version: 2"),
        ("a.toml", "\ufeffroot = {}", "a.toml: dictionary doesn't specify a version"),
        ("a.toml", "version = 1\nhandlers.a.class = 'shop.Handler'", "never imports the app: name only classes of installed packages"),
        ("a.toml", "version = 1\nhandlers.a = {class = 'logging.FileHandler', filename = '/none/x'}", "'a': [Errno 2] No such file"),
    ],
)
def test_a_wrong_file_is_refused(name: str, text: str | None, reported: str, tmp_path: Path) -> None:
    """Given a file that can't be read or isn't a configuration, then the error names the file and what is wrong."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=re.escape(reported)) as caught:
        set_up_logging("INFO", "text", str(tmp_path / name))
    assert str(tmp_path / name) in str(caught.value)


def test_a_file_that_imports_the_project_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a class of the app, which a rolling restart couldn't load again, then the file is refused; one of a package is accepted."""
    folders = {"project_of_log": tmp_path, "package_of_log": tmp_path / ".venv" / "site-packages"}
    monkeypatch.chdir(tmp_path)
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.py").write_text("from logging import Formatter")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.delitem(sys.modules, name, raising=False)
        Path(f"{name}.toml").write_text(f"version = 1\nformatters.a = {{'()' = '{name}.Formatter'}}")
    set_up_logging("INFO", "text", "package_of_log.toml")
    with pytest.raises(ConfigError, match=r"project_of_log\.toml: it imports project_of_log\. The supervisor .* installed packages"):
        set_up_logging("INFO", "text", "project_of_log.toml")
