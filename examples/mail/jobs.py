"""Mail sent in the background, over real SMTP.

    pip install aiosmtpd              for inbox.py, a local mail server that stores what it receives
    python inbox.py &                 listens on localhost:8025 and writes each mail to inbox/
    python jobs.py anna@example.org   pushes two mails, one of them with a delay of half a second
    taskq worker jobs                 sends them; stop it with Ctrl-C

Start the worker before the inbox to watch retries: it succeeds once the inbox runs. MAIL_SERVER sets another server (host:port).
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


# An unreachable mail server comes back, so retry with growing delays. A rejected address stays rejected, so give up at once.
@queue.job(
    max_attempts=10,
    backoff=taskq.Backoff(base=0.5, cap=600),
    give_up_on=(smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused),
    handle_timeout=60,
    on_fail=give_up,
)
def send_mail(to: str, subject: str, text: str) -> None:
    """Send one mail. Its Message-ID contains the id of the message, so a mail that was sent twice can be recognized."""
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
