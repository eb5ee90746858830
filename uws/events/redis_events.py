"""Phase events between processes and hosts, by Redis's publish and subscribe."""

import logging
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from typing_extensions import override

from uws.events.phase_events import (
    InProcessEvents,
    InProcessSubscription,
    PhaseEvents,
    Subscription,
)

if TYPE_CHECKING:
    from redis.client import PubSub

__all__ = ["RedisEvents"]

_log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S = 1.0
"""An announcement that takes longer is dropped: waiters read the store soon anyway."""

_BLIND_S = 1.0
"""How often the store is read while events may be lost."""

_SILENCE_S = 5.0
"""A connection that is silent for so long is pinged."""

_PAUSES_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Before each try to connect again; the last one from then on."""


class RedisEvents(PhaseEvents):
    """Phase events by one channel of a Redis server.

    One thread in each process that waits listens to the channel; it is started by the first who
    waits, so after any fork. Processes that only announce have none.

    Parameters
    ----------
    redis_url
        `redis://`, `rediss://` or `unix://`; nothing is connected before it is needed.
    channel
        Of all servers that share a job store.
    """

    def __init__(self, redis_url: str, channel: str) -> None:
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_connect_timeout=_ANSWER_TIMEOUT_S,
            socket_timeout=_ANSWER_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._channel = channel
        self._local = InProcessEvents()
        self._is_listening = threading.Event()
        self._is_closed = threading.Event()
        self._starting = threading.Lock()
        self._listener: threading.Thread | None = None

    @override
    def announce(self, job_id: str) -> None:
        try:
            self._redis.publish(self._channel, job_id)
        except redis.RedisError as error:
            _log.debug("not announced: %s", error, extra={"job_id": job_id})

    @override
    @contextmanager
    def subscribe(self, job_id: str) -> Iterator[Subscription]:
        self._start()
        with self._local.subscribe(job_id) as local:
            yield _RedisSubscription(local, self._is_listening)

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._is_closed.set()
        if self._listener is not None:
            self._listener.join()
        self._redis.close()

    def _start(self) -> None:
        with self._starting:
            # The thread of a parent process is not alive in its fork.
            if self._listener is None or not self._listener.is_alive():
                self._is_listening.clear()
                self._listener = threading.Thread(
                    target=self._listen, name="job-events", daemon=True
                )
                self._listener.start()

    def _listen(self) -> None:
        failures = 0
        while not self._is_closed.is_set():
            try:
                # redis has no type for it
                with closing(self._redis.pubsub()) as channel:  # type: ignore[no-untyped-call]
                    channel.subscribe(self._channel)
                    self._relay(channel)
            except redis.RedisError as error:
                failures = 0 if self._is_listening.is_set() else failures
                level = logging.DEBUG if failures else logging.WARNING
                _log.log(level, "no phase events, the job store is asked instead: %s", error)
                failures += 1
            finally:
                self._is_listening.clear()
                self._local.announce_all()
            self._is_closed.wait(_PAUSES_S[min(failures, len(_PAUSES_S)) - 1])

    def _relay(self, channel: "PubSub") -> None:
        """Pass on what comes, until the connection breaks or falls silent."""
        is_asked, silent_s = False, 0.0
        while not self._is_closed.is_set():
            message = channel.get_message(timeout=_ANSWER_TIMEOUT_S)
            if message is not None:
                is_asked, silent_s = False, 0.0
                self._pass_on(message["type"], message["data"])
                continue
            silent_s += _ANSWER_TIMEOUT_S
            if is_asked:
                raise redis.TimeoutError("the connection is dead")
            if silent_s >= _SILENCE_S:
                channel.ping()
                is_asked = True

    def _pass_on(self, kind: str, data: bytes | int) -> None:
        if kind == "subscribe":
            # Events before this point were lost.
            self._is_listening.set()
            self._local.announce_all()
        elif kind == "message" and isinstance(data, bytes):
            self._local.announce(data.decode(errors="replace"))


class _RedisSubscription:
    """A subscription for which the store is read more often while no thread listens."""

    def __init__(self, local: InProcessSubscription, is_listening: threading.Event) -> None:
        self._local = local
        self._is_listening = is_listening

    @property
    def last_event_s(self) -> float:
        return self._local.last_event_s

    @property
    def poll_s(self) -> float:
        return self._local.poll_s if self._is_listening.is_set() else _BLIND_S

    def wait(self, timeout_s: float) -> bool:
        return self._local.wait(timeout_s)

    def wake(self) -> None:
        self._local.wake()
