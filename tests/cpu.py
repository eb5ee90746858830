"""A limit on the CPU time of some lines of a test: of use where they might never end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["cpu_limit"]


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` after so much CPU time of this process, however busy the machine is.

    Loops of Python and matches of patterns are interrupted; only the main thread may ask for it.
    """

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done within {seconds} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
