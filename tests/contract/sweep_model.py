"""What sweeps are to do with a job store, over plain values: the other part of the model."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from tests.contract.job_model import JobModel, WorkModel
from tests.contract.store_model import StoreModel, lives
from uws.models import ABORTABLE, FINISHED, Phase
from uws.work.sweep import SweepReport

__all__ = ["SweptModel"]

REMOVED = "ARCHIVED: the results were removed when the destruction time was reached"


class SweptModel(StoreModel):
    """Jobs as `StoreModel` has them, with sweeps."""

    def sweep(self, *, is_queue_new: bool) -> SweepReport:
        patience_s = 0 if is_queue_new else self.limits.lease_s
        expiring = "archived" if self.limits.archive else "destroyed"
        counts = Counter({expiring: self._each(self._is_expired, self._expire)})
        counts["destroyed"] += self._each(self._is_outlived, self._destroy)
        return SweepReport(
            destroyed=counts["destroyed"],
            archived=counts["archived"],
            aborted=self._each(self._is_overdue, self._abort_overdue),
            stopped=self._stop_hanging(),
            planned=self._resend_steps("plan", patience_s),
            chunks=self._resend_chunks(patience_s) + self._send_waiting(),
            finished=self._resend_steps("finish", patience_s),
            cleared=self._clear_remains(),
        )

    def _each(self, is_wanted: Callable[[JobModel], bool], act: Callable[[str], object]) -> int:
        wanted = [job_id for job_id, model in self.jobs.items() if is_wanted(model)]
        for job_id in wanted:
            act(job_id)
        return len(wanted)

    def _clear_remains(self) -> int:
        old = self.now - timedelta(seconds=2 * self.limits.lease_s)
        cleared = [job_id for job_id, when in self.tombstones.items() if when < old]
        for job_id in cleared:
            del self.tombstones[job_id]
            self.sent.append(f"cancel {job_id}")
        return len(cleared)

    def _is_expired(self, model: JobModel) -> bool:
        return model.known.destruction <= self.now and model.phase is not Phase.ARCHIVED

    def _is_outlived(self, model: JobModel) -> bool:
        end = model.known.destruction + timedelta(days=self.limits.archive_days)
        return model.phase is Phase.ARCHIVED and end <= self.now

    def _destroy(self, job_id: str) -> None:
        self.delete(self.jobs[job_id].known.owner, job_id)

    def _expire(self, job_id: str) -> None:
        if not self.limits.archive:
            self._destroy(job_id)
            return
        self._clear(job_id)
        self.move(job_id, Phase.ABORTED, among=ABORTABLE)
        self.move(job_id, Phase.ARCHIVED, among=FINISHED)
        self.jobs[job_id].archive()
        self.jobs[job_id].note([REMOVED])

    def _is_overdue(self, model: JobModel) -> bool:
        begun = model.known.start_time
        if model.phase is Phase.QUEUED and model.plan is None:
            plan = model.steps["plan"]
            is_planned_now = plan.holder is not None and not self._is_dead(plan.holder)
            begun = plan.begun_time if is_planned_now else None
        elif model.phase is not Phase.EXECUTING:
            return False
        limit = timedelta(seconds=model.known.execution_duration_s)
        return bool(limit) and begun is not None and begun + limit <= self.now

    def _abort_overdue(self, job_id: str) -> None:
        self.abort(self.jobs[job_id].known.owner, job_id)
        self.jobs[job_id].note(["aborted: the execution duration was exceeded"])

    def _stop_hanging(self) -> int:
        due: list[WorkModel] = []
        for model in self.jobs.values():
            due += [step for name, step in model.steps.items() if model.is_due(name)]
            due += [chunk for chunk in model.chunks if model.is_at_work and chunk.is_in_flight]
        held = [work.holder for work in due if work.holder and work.is_lapsed(self.now)]
        hanging = [holder for holder in held if lives(holder) and not self._is_dead(holder)]
        self.killed.update(hanging)
        return len(hanging)

    def _is_lost(self, work: WorkModel, patience_s: float) -> bool:
        if work.holder is not None:
            return self._has_let_go(work)
        if work.retry_time is not None:
            return work.retry_time <= self.now
        patience = timedelta(seconds=patience_s)
        return work.sent_time is None or work.sent_time <= self.now - patience

    def _resend_steps(self, step: str, patience_s: float) -> int:
        def is_lost(model: JobModel) -> bool:
            return model.is_due(step) and self._is_lost(model.steps[step], patience_s)

        def resend(job_id: str) -> None:
            self.jobs[job_id].steps[step].send(self.now)
            self.sent.append(f"{step} {job_id}")

        return self._each(is_lost, resend)

    def _resend_chunks(self, patience_s: float) -> int:
        count = 0
        for job_id, model in self.jobs.items():
            lost = [
                number
                for number, chunk in enumerate(model.chunks)
                if model.is_at_work and chunk.is_in_flight and self._is_lost(chunk, patience_s)
            ]
            for number in lost:
                model.chunks[number].send(self.now)
            if lost:
                self.sent.append(f"chunks {lost} {job_id}")
            count += len(lost)
        return count

    def _send_waiting(self) -> int:
        count = 0
        for job_id in self.jobs:
            numbers = self.next_chunks(job_id, self.limits.window)
            if numbers:
                self.sent.append(f"chunks {numbers} {job_id}")
            count += len(numbers)
        return count
