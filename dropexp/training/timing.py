"""How long one epoch of a run takes here, measured without leaving anything behind."""

from dropexp import data
from dropexp.config.run_config import RunConfig
from dropexp.training.build import build_plan, build_state
from dropexp.training.compiling import refuse_unavailable
from dropexp.training.environment import configure_torch, select_device
from dropexp.training.loop import train
from dropexp.training.progress import EpochProgress
from dropexp.training.threads import choose_threads


class _EnoughError(Exception):
    """The epoch takes longer than is allowed; the argument is the seconds that it would take."""


def time_epoch(config: RunConfig, most_seconds: float) -> float:
    """Return the seconds that an epoch takes, training and evaluation.

    The first epoch of the run is trained, on data that is there: nothing is downloaded. An epoch
    that takes longer is stopped, and estimated from the steps that it has taken.

    Args:
        config: of the run.
        most_seconds: when to stop.

    Raises:
        UserError: as training would raise; data that would be downloaded is missing too.
    """
    device = select_device(config.device)
    refuse_unavailable(config, device)
    configure_torch(device, choose_threads(config), config.deterministic, config.precision)
    section = config.data
    if "download" in type(section).model_fields:
        section = section.model_copy(update={"download": False})
    splits = data.load(section).to(device)
    state = build_state(config, splits)
    plan = build_plan(config, splits, state.model)

    def stop_in_time(progress: EpochProgress) -> None:
        if progress.seconds > most_seconds:
            raise _EnoughError(progress.seconds / progress.share)

    epochs = train(state, plan, stop_in_time)
    try:
        return next(epochs).seconds
    except _EnoughError as enough:
        (seconds,) = enough.args
        return float(seconds)
    finally:
        epochs.close()
