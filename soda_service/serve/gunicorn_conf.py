"""gunicorn's settings if it is not started by `serve`: the same, from the same `[web]` section.

    gunicorn --config python:soda_service.serve.gunicorn_conf --bind ... wsgi:app

gunicorn uses the names in this module that are its settings; its command line takes precedence.
"""

from soda_service.config.load import load_config
from soda_service.serve.web import allow_open_files, gunicorn_settings

__all__: list[str] = []

allow_open_files()
globals().update(gunicorn_settings(load_config().web))
