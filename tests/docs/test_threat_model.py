"""The threat model: each statement of the security page has tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.worker import ROOT

PAGE = ROOT / "docs" / "guide" / "security.md"

#: The tests of each statement, by its text.
TESTED: dict[str, tuple[str, ...]] = {
    "With `pickle`, they can run any code in your workers.": ("test_a_pickle_runs_code_in_a_worker_without_a_secret",),
    "With `pickle`, they can run any code in programs that read results or streams.": ("test_a_pickled_result_runs_code_in_its_reader",),
    "If the queue and all of its jobs use `json` or `msgpack`, they can run your jobs with any arguments, but no other code.": (
        "test_a_data_only_worker_runs_any_job_with_any_data",
        "test_a_data_only_worker_loads_no_pickle",
        "test_a_data_only_queue_reads_no_pickled_result",
    ),
    "They can forge results, failures, progress and cancel requests.": (
        "test_a_forged_failure_is_believed_without_a_secret",
        "test_any_program_may_cancel_and_report_without_a_secret",
    ),
    "make a worker run a call that was not pushed, or one with changed arguments or options;": (
        "test_unsigned_and_wrongly_signed_messages_are_refused",
        "test_a_changed_message_is_refused",
        "test_what_decides_the_run_is_signed",
        "test_a_secret_keeps_a_pickle_from_running_code",
    ),
    "move a message to another channel;": ("test_a_signed_message_can_not_be_moved_to_another_channel",),
    "forge a result or an item of a stream;": (
        "test_a_result_of_somebody_else_is_refused_unread",
        "test_a_part_in_another_place_is_refused",
        "test_no_changed_byte_is_verified",
    ),
    "cancel a running job;": ("test_forged_cancels_are_refused",),
    "pass false progress, worker reports or history records off as true;": (
        "test_forged_reports_are_not_trusted",
        "test_a_forged_record_changes_nothing",
        "test_what_is_not_signed_is_marked",
        "test_a_crash_is_recorded_with_a_signature",
    ),
    "use signed data of one kind, message or channel for another.": (
        "test_no_kind_of_data_is_verified_as_another",
        "test_a_record_belongs_to_one_message",
        "test_reports_belong_to_one_channel",
    ),
    "read everything: it is signed, not encrypted;": ("test_everything_is_readable",),
    "delete messages, results, and records in a history;": ("test_what_is_deleted_is_not_missed",),
    "**push a copy of an earlier message**: within its channel, a copy is valid;": ("test_a_copy_of_a_message_is_valid",),
    "run a message earlier or later;": ("test_the_time_of_a_run_is_not_signed",),
    "change the numbers of attempts and crashes, so that a message fails without another run;": ("test_the_counts_are_not_signed",),
    "restore an earlier result, progress report or record of the same message;": ("test_earlier_data_of_a_message_is_valid_again",),
    "repeat a cancel request for the same message for a day;": ("test_a_signed_request_is_valid_for_a_day",),
    "fill the server, and slow down your workers.": (
        "test_every_push_is_refused_and_stores_nothing",
        "test_a_copy_of_a_message_is_valid",
    ),
    "They can read the arguments of messages, results, progress and tracebacks.": ("test_everything_is_readable",),
    "They can't sign: the secret is never sent to the server.": ("test_the_secret_is_never_sent",),
    "Bytes that aren't a valid message move to `failed`, and the worker continues.": (
        "test_broken_bytes_go_to_failed",
        "test_any_bytes_are_a_value_or_an_error",
    ),
    "Reading a message for display takes bounded time and memory, even if its bytes describe a huge value.": (
        "test_a_message_is_shown_in_bounded_time_and_memory",
        "test_any_bytes_are_shown",
    ),
    "`taskq list`, `show` and `info` never run code from a message.": ("test_nothing_is_run",),
    "Control characters in a message don't reach your terminal.": (
        "test_text_that_can_not_harm",
        "test_json_is_printable_and_means_the_same",
    ),
    "Plain JSON messages can run your jobs, but not the built-in jobs that run any object or callable.": (
        "test_a_json_message_is_read_by_every_queue",
        "test_a_json_message_can_not_run_the_built_in_jobs",
    ),
    "They can't connect to your embedded server: its folder and its socket have mode 0700.": ("test_only_the_owner_gets_in",),
    "Their embedded server is refused: folder, files, socket, and the process at every connect.": (
        "test_the_folder_of_another_user_is_refused",
        "test_a_part_of_another_user_is_refused",
        "test_a_link_of_another_user_is_refused",
        "test_the_short_folder_of_another_user_is_refused",
        "test_the_process_of_another_user_is_refused",
    ),
    "Their settings file is refused, in the working directory and above.": (
        "test_the_file_of_another_user_is_refused",
        "test_a_link_is_refused_if_it_or_its_target_is_another_user_s",
    ),
    "Root is trusted.": ("test_root_and_this_user_are_trusted",),
    "They can choose the app and the server, and so run any code as you.": ("test_upwards",),
    "They can't set the secret there: it is not allowed in a file.": ("test_secret_in_a_file",),
    "They can do everything that your programs can.": ("test_signed_messages_run",),
}


def _statements() -> list[str]:
    section = PAGE.read_text(encoding="utf-8").split("\n## Threat model\n")[1].split("\n## ")[0]
    return re.findall(r"^- (.+)$", section, re.MULTILINE)


def test_each_statement_has_its_tests() -> None:
    """Given the statements of the threat model, then each has tests, and no test is listed for a statement that is not there."""
    assert _statements() == list(TESTED)


def test_the_tests_of_the_statements_exist() -> None:
    """Given the tests that are listed, then each is a test of this suite."""
    found = {name for path in Path(ROOT, "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)\(", path.read_text("utf-8"))}
    assert [name for names in TESTED.values() for name in names if name not in found] == []
