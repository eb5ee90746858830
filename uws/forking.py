"""A guard for obstore, whose threads do not survive a fork."""

import os

__all__ = ["claim_obstore"]

_user: dict[str, int] = {}


def claim_obstore() -> None:
    """Note that this process uses obstore; call it before each request.

    obstore works in threads that belong to the process, not to one store. A forked child does not
    have them: its requests would wait for ever.

    Raises
    ------
    RuntimeError
        When the process that this one was forked from had used obstore.
    """
    if _user.setdefault("pid", os.getpid()) != os.getpid():
        raise RuntimeError("an object store was used before this process was forked")
