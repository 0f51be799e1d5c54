"""The section of the loggers: which trackers receive a run, and where each keeps it."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from dropexp.config.section_base import Section


def _refuse_password(uri: str) -> str:
    # config.yaml is in the run folder, which users share.
    try:
        has_password = urlsplit(uri).password is not None
    except ValueError:
        raise ValueError("it must be a URI, such as sqlite:///mlflow.db") from None
    if has_password:
        raise ValueError(
            "it has a password, which a run folder must not hold; set the environment variable "
            "MLFLOW_TRACKING_URI instead"
        )
    return uri


_Name = Annotated[str, Field(min_length=1, max_length=200)]


class MLflowConfig(Section):
    """Where MLflow keeps a run."""

    tracking_uri: Annotated[_Name, AfterValidator(_refuse_password)] | None = Field(
        default=None,
        description="Where MLflow stores runs, such as sqlite:///mlflow.db or http://localhost:5000."
        " null: the environment variable MLFLOW_TRACKING_URI, or MLflow's own default.",
    )
    experiment: _Name | None = Field(
        default=None,
        description="MLflow's experiment. null: the environment variable MLFLOW_EXPERIMENT_NAME, "
        "or dropexp.",
    )


class WandbConfig(Section):
    """Where Weights & Biases keeps a run."""

    project: _Name | None = Field(
        default=None,
        description="W&B's project. null: the environment variable WANDB_PROJECT, or dropexp.",
    )
    entity: _Name | None = Field(
        default=None,
        description="W&B's user or team. null: the environment variable WANDB_ENTITY, or the "
        "user who is logged in.",
    )
    mode: Literal["online", "offline"] | None = Field(
        default=None,
        description="Send the run at once, or write it to a folder that wandb sync sends later. "
        "null: the environment variable WANDB_MODE, or online.",
    )
    dir: _Name | None = Field(
        default=None,
        description="Folder in which W&B makes its folder wandb. null: the environment variable "
        "WANDB_DIR, or the current folder.",
    )


class TrackioConfig(Section):
    """Where Trackio keeps a run."""

    project: _Name | None = Field(default=None, description="Trackio's project. null: dropexp.")
    space_id: _Name | None = Field(
        default=None,
        description="Hugging Face Space that receives the run, such as user/space. null: the "
        "environment variable TRACKIO_SPACE_ID, or the store on this machine.",
    )


TrackerConfig = MLflowConfig | WandbConfig | TrackioConfig


class LoggerConfig(Section):
    """The trackers that receive a run; None: not this one."""

    mlflow: MLflowConfig | None = None
    wandb: WandbConfig | None = None
    trackio: TrackioConfig | None = None

    @property
    def chosen(self) -> dict[str, TrackerConfig]:
        """The sections of the chosen trackers by their names."""
        return {name: section for name, section in self if section is not None}
