"""Weights & Biases as a tracker, online or in its offline folders."""

import os
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from dropexp.config.logger_section import WandbConfig
from dropexp.loggers.tracker import (
    Ending,
    LoggedEpoch,
    RunDescription,
    RunEnd,
    TrackedRun,
    Tracker,
)

_SECONDS_TO_START = 45


class WandbTracker(Tracker):
    """A project of W&B."""

    def __init__(self, config: WandbConfig) -> None:
        self._config = config
        self._project = config.project or os.environ.get("WANDB_PROJECT") or "dropexp"
        self._entity = config.entity or os.environ.get("WANDB_ENTITY")
        mode = config.mode or os.environ.get("WANDB_MODE")
        self._is_offline = mode in ("offline", "dryrun")

    @property
    def destination(self) -> str:
        """See Tracker. What is in an offline folder is not yet in the project."""
        server = os.environ.get("WANDB_BASE_URL", "").rpartition("@")[2]
        place = "offline" if self._is_offline else server or "online"
        return f"{place} {self._entity or ''}/{self._project}"

    def open(self, run: RunDescription, external_id: str | None) -> TrackedRun:
        """See Tracker."""
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        # Nothing of this process is recorded: it does not train, and prints for itself.
        settings = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            init_timeout=_SECONDS_TO_START,
            x_disable_meta=True,
            x_disable_stats=True,
        )
        opened = wandb.init(
            project=self._project,
            entity=self._entity,
            mode=self._config.mode,
            dir=self._config.dir,
            id=external_id or uuid4().hex[:12],
            name=run.run_id,
            group=run.study or None,
            config={**run.parameters, **run.tags},
            # Offline W&B knows of no earlier part of the run; wandb sync joins the parts by the id.
            resume=None if self._is_offline else "allow",
            reinit="create_new",
            settings=settings,
        )
        return _WandbRun(opened)


class _WandbRun(TrackedRun):
    def __init__(self, run: Any) -> None:
        self._run = run
        self.external_id = str(run.id)

    def log_epochs(self, epochs: Sequence[LoggedEpoch]) -> None:
        for each in epochs:
            metrics = {"epoch": each.epoch, **each.metrics, "_timestamp": each.ended_at}
            self._run.log(metrics, step=each.epoch)

    def close(self, end: RunEnd) -> None:
        self._run.summary.update({**end.results, "dropexp.status": str(end.ending)})
        self._run.finish(exit_code=0 if end.ending is Ending.COMPLETED else 1)
