"""Mail about jobs, as transports of the server's messages: that one has ended, or expires soon."""

from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from soda_service.config.model import Config, MailConfig
from soda_service.cutouts.notification_policy import may_mail
from soda_service.notify.account import parameter_of, read_account
from soda_service.notify.smtp import hand_over
from soda_service.notify.texts import Letter, Service, ended_letter, warning_letter
from soda_service.pages.keep import extension_rules
from soda_service.request.parsing import is_mail_address
from uws.errors import TransientError
from uws.messages import Message, Policy, Trigger, Undeliverable
from uws.models import Job, Phase
from uws.notify.links import JobExtensions
from uws.runtime import Runtime

__all__ = ["MailTransport", "ended_mail", "extension_rules", "make_mail", "warning_mail"]

_EMAIL = "EMAIL"


class MailTransport:
    """Writes a mail about a job to the address that was given with it, and hands it over.

    Parameters
    ----------
    settings
        The mail server, and who may get mail.
    policy
        Which messages.
    write
        Gives the words of the mail about a job.
    is_wanted
        Tells whether there is something to tell of a job.
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
        """Which messages."""
        return self._policy

    def wants(self, job: Job) -> bool:
        """Return whether there is something to tell of this job."""
        return self._is_wanted(job)

    def send(self, job: Job, message: Message) -> None:
        """Write the mail and hand it over; raises as `uws.notify.delivery.Transport` says."""
        address = parameter_of(job, _EMAIL)
        # A job that was never checked may have anything as its address.
        if not is_mail_address(address) or not may_mail(self._settings, address):
            raise Undeliverable("mail may not go to the address of the job")
        try:
            letter = self._write(job)
        except OSError as error:
            raise TransientError(f"files of the job: {error.strerror or error}") from error
        mail = make_mail(letter, self._settings.sender, address, message)
        hand_over(mail, address, self._settings)


def ended_mail(config: Config, runtime: Runtime) -> MailTransport:
    """Make the transport of mails that tell that a job has ended."""
    service = _service(config)

    def write(job: Job) -> Letter:
        return ended_letter(service, job, read_account(job, runtime.files))

    policy = _policy(config.mail, "mail-ended", Trigger.ENDED)
    return MailTransport(config.mail, policy, write=write, is_wanted=_ended_by_itself)


def warning_mail(config: Config, runtime: Runtime) -> MailTransport:
    """Make the transport of mails that warn before results are destroyed."""
    service = _service(config)
    extensions = JobExtensions(runtime, extension_rules(config.mail))

    def write(job: Job) -> Letter:
        account = read_account(job, runtime.files)
        # A new link for each try: the store knows of the old one nothing that could be sent.
        token, until = extensions.create(job)
        return warning_letter(service, job, account, token=token, until=until)

    lead_s = config.mail.warn_days * 86400
    policy = _policy(config.mail, "mail-expiring", Trigger.EXPIRING, lead_s=lead_s)
    return MailTransport(config.mail, policy, write=write, is_wanted=lambda _job: True)


def make_mail(letter: Letter, sender: str, address: str, message: Message) -> EmailMessage:
    """Make the mail (RFC 5322) of a letter, as text and as HTML.

    Its Message-ID is the same at each try, so that a repetition can be told.

    Raises
    ------
    Undeliverable
        When none can be made of it, or one with other headers than its own.
    """
    try:
        mail = _compose(letter, sender, address, message)
        _check_bytes(mail.as_bytes(), mail)
    except Exception as error:  # whatever the library raises, it would raise again
        raise Undeliverable(f"no mail can be made of it: {error}") from error
    return mail


def _compose(letter: Letter, sender: str, address: str, message: Message) -> EmailMessage:
    name, from_address = parseaddr(sender)
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(name, addr_spec=from_address)
    mail["To"] = Address(addr_spec=address)
    mail["Subject"] = _plain(letter.subject)
    mail["Date"] = format_datetime(datetime.now(UTC))
    mail["Message-ID"] = f"<{message.id}@{from_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, section 5: nobody's absence is answered
    mail.set_content(letter.text)
    mail.add_alternative(letter.html, subtype="html")
    return mail


def _plain(text: str) -> str:
    """Break encoded words (RFC 2047): the library would decode them, line breaks included."""
    return text.replace("=?", "= ?")


def _check_bytes(content: bytes, mail: EmailMessage) -> None:
    """Check that the bytes of a mail have its headers, to the last one, and no others.

    Raises
    ------
    ValueError
        When they have not: a line break came into a value.
    """
    made = message_from_bytes(content)
    # The last header has the boundary, a random number: headers that end early lack it.
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
    """Return whether a job was not ended by its own client, who knows.

    An abort by the server says why in a note; one by a client has none.
    """
    is_told = any(note.startswith("aborted:") for note in job.notes)
    return job.phase is not Phase.ABORTED or is_told
