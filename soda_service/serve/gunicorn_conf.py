"""gunicorn's settings where it is not started by `serve`: the same, of the same `[web]` section.

    gunicorn --config python:soda_service.serve.gunicorn_conf --bind ... wsgi:app

gunicorn takes the names of this module that are settings of its own; its command line wins.
"""

from soda_service.config.load import load_config
from soda_service.serve.web import allow_open_files, gunicorn_settings

__all__: list[str] = []

allow_open_files()
globals().update(gunicorn_settings(load_config().web))
