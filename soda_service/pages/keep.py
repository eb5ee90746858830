"""`/keep/{token}`: the link in a warning, by which results are kept for longer."""

from flask import Blueprint, redirect, render_template
from flask.typing import ResponseReturnValue

from soda_service.config.model import MailConfig
from soda_service.pages.security import csrf_protected, keep_secret
from soda_service.web.services import Services
from uws.notify.links import ExtensionRules, JobExtensions

__all__ = ["create_keep", "extension_rules"]


def extension_rules(mail: MailConfig) -> ExtensionRules:
    """Return how far links in warnings put destruction off."""
    return ExtensionRules(days=mail.keep_days, times=mail.keep_times)


def create_keep(services: Services) -> Blueprint:
    """Create the blueprint.

    Opening the link changes nothing, because mail servers and malware scanners open every link of
    a mail. Only the button on the page does.
    """
    blueprint = Blueprint("keep", __name__)
    extensions = JobExtensions(services.runtime, extension_rules(services.config.mail))

    keep_secret(blueprint, referrer="same-origin")

    @blueprint.get("/keep/<token>")
    def show_keep(token: str) -> str:
        """Show how long the results are kept, and offer to keep them longer."""
        return render_template("keep.html", found=extensions.find(token))

    @blueprint.post("/keep/<token>")
    @csrf_protected
    def keep(token: str) -> ResponseReturnValue:
        """Keep the results longer."""
        extensions.use(token)
        return redirect(f"{token}", 303)

    return blueprint
