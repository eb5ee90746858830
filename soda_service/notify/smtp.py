"""Access to the mail server: send one mail, and interpret a refusal."""

import smtplib
import ssl
from email.message import EmailMessage

from soda_service.config.model import MailConfig
from uws.errors import TransientError
from uws.messages import TransportUnavailable, Undeliverable

__all__ = ["hand_over"]


def hand_over(mail: EmailMessage, address: str, settings: MailConfig) -> None:
    """Send a mail to one address by the server.

    Raises
    ------
    Undeliverable
        If the server refuses this recipient or this mail for good (5xx).
    TransientError
        If it may accept it later (4xx), or refuses by its policy (5.7.x); `TransportUnavailable`
        if it is unavailable, or refuses what does not depend on the mail: name, login, sender.
    """
    try:
        server = _connect(settings)
    except (smtplib.SMTPException, OSError) as error:
        raise TransportUnavailable(f"mail server {settings.host}: {_words(error)}") from error
    try:
        # Only to this address, whatever the header says.
        server.send_message(mail, to_addrs=[address])
    except smtplib.SMTPRecipientsRefused as error:
        ((code, text),) = error.recipients.values()
        raise _refusal(code, text) from error
    except (smtplib.SMTPHeloError, smtplib.SMTPSenderRefused) as error:
        # The settings or the server are at fault, and somebody can put them right.
        raise TransportUnavailable(f"mail server {settings.host}: {_words(error)}") from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPNotSupportedError, ValueError, UnicodeError) as error:
        raise Undeliverable(f"the mail cannot be written: {error}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise TransportUnavailable(f"mail server {settings.host}: {_words(error)}") from error
    finally:
        _leave(server)


def _connect(settings: MailConfig) -> smtplib.SMTP:
    """Open a connection that accepts mail; close it on failure."""
    timeout_s = settings.timeout_s
    server: smtplib.SMTP
    if settings.tls == "ssl":
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(settings.host, settings.port, timeout=timeout_s, context=context)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=timeout_s)
    try:
        if settings.tls == "starttls":
            server.starttls(context=ssl.create_default_context())
        if settings.user:
            server.login(settings.user, settings.password)
    except BaseException:
        server.close()
        raise
    return server


def _leave(server: smtplib.SMTP) -> None:
    """Close the session; accepted mail stays accepted, whatever the server responds."""
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()


def _refusal(code: int, text: bytes | str) -> Exception:
    message = f"the mail server responded with {code} {_decoded(text)}"
    # 421 closes the connection (RFC 5321, section 3.8). 504 is about this host's name, the others
    # about TLS and login (RFC 3207, section 4; RFC 4954, section 6). 501 and 553 can be about one
    # recipient, which must not hold up the others.
    if code in {421, 504, 530, 534, 535, 538}:
        return TransportUnavailable(message)
    # 5.7.x is security and policy (RFC 3463, section 3.8), such as a relay that is not allowed.
    is_policy = _decoded(text).startswith("5.7.")
    return (
        Undeliverable(message) if 500 <= code < 600 and not is_policy else TransientError(message)
    )


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"responded with {error.smtp_code} {_decoded(error.smtp_error)}"
    return str(error) or type(error).__name__


def _decoded(text: bytes | str) -> str:
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(words.split())[:200]
