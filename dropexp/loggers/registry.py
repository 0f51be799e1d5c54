"""The trackers by the names of their loggers, the packages that they need, and their extras."""

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass

from dropexp.config.logger_section import (
    LoggerConfig,
    MLflowConfig,
    TrackerConfig,
    TrackioConfig,
    WandbConfig,
)
from dropexp.errors import ConfigError
from dropexp.loggers.tracker import Tracker

_TITLES = {"mlflow": "MLflow", "wandb": "W&B", "trackio": "Trackio"}


@dataclass(frozen=True)
class Destination:
    """Where a logger sends runs.

    Attributes:
        logger: the name of the logger, of its package and of its extra.
        config: its section of a run's config.
    """

    logger: str
    config: TrackerConfig

    @property
    def title(self) -> str:
        """The tracker's name in sentences."""
        return _TITLES[self.logger]

    @property
    def options(self) -> list[str]:
        """The options of ``dropexp export`` that send runs there."""
        given = self.config.model_dump(exclude_none=True)
        pairs = (("--" + key.replace("_", "-"), str(value)) for key, value in given.items())
        return [word for pair in pairs for word in pair]

    def make_tracker(self) -> Tracker:
        """Return the tracker; this imports its package, and may raise what that raises."""
        if isinstance(self.config, MLflowConfig):
            from dropexp.loggers.mlflow_tracker import MLflowTracker

            return MLflowTracker(self.config)
        if isinstance(self.config, WandbConfig):
            from dropexp.loggers.wandb_tracker import WandbTracker

            return WandbTracker(self.config)
        assert isinstance(self.config, TrackioConfig)
        from dropexp.loggers.trackio_tracker import TrackioTracker

        return TrackioTracker(self.config)


def list_destinations(config: LoggerConfig) -> list[Destination]:
    """Return where a run is to be sent, beside its folder."""
    return [Destination(name, section) for name, section in config.chosen.items()]


def make_destination(logger: str, section: object) -> Destination:
    """Return the destination of a logger whose section is plain values.

    Raises:
        ValueError: a value is not allowed.
    """
    chosen = LoggerConfig.model_validate({logger: section}).chosen
    return Destination(logger, chosen[logger])


def refuse_missing_packages(destinations: Iterable[Destination]) -> None:
    """Check that the packages of trackers are installed, without importing them.

    Raises:
        ConfigError: one is not; the message has the command that installs it.
    """
    for each in destinations:
        spec = importlib.util.find_spec(each.logger)
        # W&B makes a folder of its package's name, which Python takes for a package.
        if spec is None or spec.origin is None:
            raise ConfigError(
                f"logger={each.logger} needs {each.title}, which is not installed: "
                f"pip install 'dropexp[{each.logger}]'."
            )
