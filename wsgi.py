"""The web application for any WSGI server (`gunicorn wsgi:app`), set up by SODA_CONFIG."""

from flask import Flask

from soda_service.app import create_app
from soda_service.config.load import load_config
from soda_service.logs import set_up_logging

__all__ = ["app"]


def _make_app() -> Flask:
    config = load_config()
    set_up_logging(config.log)
    return create_app(config)


app = _make_app()
