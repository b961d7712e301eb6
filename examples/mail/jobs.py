"""Sending mail in the background, over real SMTP.

    pip install aiosmtpd              for inbox.py, a local server that keeps what it gets
    python inbox.py &                 listens on localhost:8025, and writes each mail to inbox/
    python jobs.py anna@example.org   pushes two mails, one of them for half a second later
    taskq worker jobs                 sends them; Ctrl-C ends it

Start the worker before the inbox, and see it try again until the inbox is there. MAIL_SERVER names another server (host:port).
"""

from __future__ import annotations

import os
import smtplib
import sys
from email.message import EmailMessage

import taskq

queue = taskq.Queue()


def give_up(error: BaseException) -> None:
    print(f"mail {taskq.current().id} was not sent: {error}", file=sys.stderr)


# A server that is away will come back: try again, at longer and longer intervals. An address that it refuses stays refused.
@queue.job(
    max_attempts=10,
    backoff=taskq.Backoff(base=0.5, cap=600),
    give_up_on=(smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused),
    handle_timeout=60,
    on_fail=give_up,
)
def send_mail(to: str, subject: str, text: str) -> None:
    """Send one mail. The Message-ID is that of the taskq message: a mail that is sent twice can be told by it."""
    mail = EmailMessage()
    mail["From"] = "shop@example.org"
    mail["To"] = to
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{taskq.current().id}@example.org>"
    mail.set_content(text)
    host, _, port = os.environ.get("MAIL_SERVER", "localhost:8025").partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=10) as server:
        server.send_message(mail)


if __name__ == "__main__":
    recipient = sys.argv[1]
    send_mail.push(recipient, "Welcome", "Thank you for signing up.")
    handle = send_mail.push(recipient, subject="A reminder", text="You signed up half a second ago.", delay=0.5)
    print(f"pushed two mails; the second is {handle.id}")
