"""Mail about jobs: that a job has ended, or that its results expire soon."""

from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from soda_service.config.model import Config, MailConfig
from soda_service.cutouts.notification_policy import may_mail
from soda_service.notify.report import parameter_of, read_report
from soda_service.notify.smtp import hand_over
from soda_service.notify.texts import Letter, Service, ended_letter, warning_letter
from soda_service.pages.keep import extension_rules
from soda_service.request.addresses import is_mail_address
from uws.errors import TransientError
from uws.messages import Message, Policy, Trigger, Undeliverable
from uws.models import Job, Phase
from uws.notify.links import JobExtensions
from uws.runtime import Runtime

__all__ = ["MailTransport", "ended_mail", "extension_rules", "make_mail", "warning_mail"]

_EMAIL = "EMAIL"


class MailTransport:
    """Writes a mail about a job to the address given with the job, and sends it.

    Parameters
    ----------
    settings
        The mail server, and permitted recipients.
    policy
        Which messages to send.
    write
        Returns the text of the mail about a job.
    is_wanted
        Returns whether a mail about a job is needed.
    """

    def __init__(
        self,
        settings: MailConfig,
        policy: Policy,
        *,
        write: Callable[[Job], Letter],
        is_wanted: Callable[[Job], bool],
    ) -> None:
        self._settings = settings
        self._policy = policy
        self._write = write
        self._is_wanted = is_wanted

    @property
    def policy(self) -> Policy:
        """Which messages to send."""
        return self._policy

    def wants(self, job: Job) -> bool:
        """Return whether a mail about this job is needed."""
        return self._is_wanted(job)

    def send(self, job: Job, message: Message) -> None:
        """Write and send the mail; raises the errors of `uws.notify.delivery.Transport`."""
        address = parameter_of(job, _EMAIL)
        # A job that was never validated may have any text as its address.
        if not is_mail_address(address) or not may_mail(self._settings, address):
            raise Undeliverable("the address of the job is not permitted for mail")
        try:
            letter = self._write(job)
        except OSError as error:
            raise TransientError(f"files of the job: {error.strerror or error}") from error
        mail = make_mail(letter, self._settings.sender, address, message)
        hand_over(mail, address, self._settings)


def ended_mail(config: Config, runtime: Runtime) -> MailTransport:
    """Return the transport of mails about ended jobs."""
    service = _service(config)

    def write(job: Job) -> Letter:
        return ended_letter(service, job, read_report(job, runtime.files))

    policy = _policy(config.mail, "mail-ended", Trigger.ENDED)
    return MailTransport(config.mail, policy, write=write, is_wanted=_ended_by_itself)


def warning_mail(config: Config, runtime: Runtime) -> MailTransport:
    """Return the transport of mails that warn before results are destroyed."""
    service = _service(config)
    extensions = JobExtensions(runtime, extension_rules(config.mail))

    def write(job: Job) -> Letter:
        report = read_report(job, runtime.files)
        # A new link for each try: the store holds only a hash of the old one.
        token, until = extensions.create(job)
        return warning_letter(service, job, report, token=token, until=until)

    lead_s = config.mail.warn_days * 86400
    policy = _policy(config.mail, "mail-expiring", Trigger.EXPIRING, lead_s=lead_s)
    return MailTransport(config.mail, policy, write=write, is_wanted=lambda _job: True)


def make_mail(letter: Letter, sender: str, address: str, message: Message) -> EmailMessage:
    """Return a mail (RFC 5322) with the text and HTML of a letter.

    Its Message-ID is the same at each try, so that a repetition can be recognised.

    Raises
    ------
    Undeliverable
        If no mail can be made, or one with other headers than its own.
    """
    try:
        mail = _compose(letter, sender, address, message)
        _check_bytes(mail.as_bytes(), mail)
    except Exception as error:  # the library would raise the same again
        raise Undeliverable(f"the mail cannot be written: {error}") from error
    return mail


def _compose(letter: Letter, sender: str, address: str, message: Message) -> EmailMessage:
    name, from_address = parseaddr(sender)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(name, addr_spec=from_address)
    mail["To"] = Address(addr_spec=address)
    mail["Subject"] = _plain(letter.subject)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message.id}@{from_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: no out-of-office replies
    mail.set_content(letter.text)
    mail.add_alternative(letter.html, subtype="html")
    return mail


def _plain(text: str) -> str:
    """Break encoded words (RFC 2047), which the library would decode, line breaks included."""
    return text.replace("=?", "= ?")


def _check_bytes(content: bytes, mail: EmailMessage) -> None:
    """Check that the bytes of a mail have all of its headers and no others.

    Raises
    ------
    ValueError
        If they do not: a value contained a line break.
    """
    made = message_from_bytes(content)
    # The last header has the boundary, a random number. It is missing if the headers end early.
    if made.keys() != mail.keys() or made.get_boundary() != mail.get_boundary():
        raise ValueError(f"its headers would be {', '.join(made.keys())}")


def _service(config: Config) -> Service:
    base_url = config.web.base_url.rstrip("/")
    return Service(config.service.title, base_url, config.service.contact)


def _policy(mail: MailConfig, kind: str, trigger: Trigger, *, lead_s: float = 0.0) -> Policy:
    return Policy(
        kind,
        _EMAIL,
        trigger,
        lead_s=lead_s,
        retry_pause_s=mail.retry_pause_s,
        retry_for_s=mail.retry_for_s,
    )


def _ended_by_itself(job: Job) -> bool:
    """Return whether a job ended other than by its own client, who knows about that.

    An abort by the server has a note with the reason; one by a client has none.
    """
    is_told = any(note.startswith("aborted:") for note in job.notes)
    return job.phase is not Phase.ABORTED or is_told
