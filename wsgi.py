"""The web application for any WSGI server (`gunicorn wsgi:app`), set up by SODA_CONFIG."""

from flask import Flask

from soda_service.app import create_app
from soda_service.config.load import load_config
from soda_service.startup import start_process

__all__ = ["app"]


def _make_app() -> Flask:
    config = load_config()
    start_process(config.log)
    return create_app(config)


app = _make_app()
