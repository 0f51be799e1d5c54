"""TensorBoard's HParams: the hyperparameters of a run, and the records of event files.

Imports no torch. A record is a scalar summary without a value whose metadata holds the content.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams.api_pb2 import (
    DATA_TYPE_BOOL,
    DATA_TYPE_FLOAT64,
    DATA_TYPE_STRING,
    STATUS_FAILURE,
    STATUS_SUCCESS,
    Experiment,
    HParamInfo,
    MetricInfo,
    MetricName,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)

from dropexp.config.identity import IDENTITY_KEYS, NOT_IN_IDENTITY
from dropexp.config.run_config import RunConfig
from dropexp.config.section_base import Section
from dropexp.config.setting import flatten

HParam = str | float | bool
"""The value of a hyperparameter. A name has values of one type in all runs of a table."""

_SETUP = "setup."
"""Before the names of fields of no regulariser.

TensorBoard shows five columns: those that differ, in the order of their names. With this prefix p,
the regulariser, its options and the seed come before the many fields of the data and the model.
"""

_SHORT = {"regulariser.name": "regulariser", "regulariser.p": "p", "seed": "seed"}
"""Field → name, of fields without the prefix."""

_TEXTS = ("data.train_size", "data.val_size")
"""Fields that are a number or, for "all", null."""

_WITHOUT_TYPE = "model.options."
"""Options of models from other packages: two models may have one name with two types."""


def list_hyperparameters(config: RunConfig) -> dict[str, HParam]:
    """Return a run's hyperparameters by name: one for each option that the run has.

    A name has values of the same type in every run: TensorBoard would take all of a column of two
    types as text, and its filters would lose rows. An option that is null is left out.
    """
    found: dict[str, HParam] = {}
    for section in IDENTITY_KEYS:
        for key, value in _flatten_section(config, section).items():
            named = _SHORT.get(key) or (key if section == "regulariser" else f"{_SETUP}{key}")
            if value is not None:
                found[named] = _convert(key, value)
    if config.data.seed == config.seed:
        del found[f"{_SETUP}data.seed"]  # as by default: a second column of seeds
    for key in _TEXTS:
        found.setdefault(f"{_SETUP}{key}", "all")
    return found


def _flatten_section(config: RunConfig, name: str) -> dict[str, Any]:
    """Return the fields of the identity in a section of the config, by their dotted keys."""
    section = getattr(config, name)
    if not isinstance(section, Section):
        return {name: section}
    content = section.model_dump(mode="json")
    content.pop("fingerprint", None)
    hidden = {f"{name}.{key}" for key in NOT_IN_IDENTITY.get(name, ())}
    return {key: value for key, value in flatten(content, f"{name}.").items() if key not in hidden}


def _convert(key: str, value: object) -> HParam:
    if key in _TEXTS or key.startswith(_WITHOUT_TYPE):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list):
        return f"[{','.join(map(str, value))}]"
    return value if isinstance(value, bool | int | float | str) else str(value)


def make_session_start(
    hparams: Mapping[str, HParam], group: str, start_time: float
) -> Summary.Value:
    """Make the record of a session's start.

    Args:
        hparams: name → value.
        group: the name of the row.
        start_time: in seconds since 1970.
    """
    info = SessionStartInfo(group_name=group, start_time_secs=start_time)
    for name, value in hparams.items():
        if isinstance(value, bool):
            info.hparams[name].bool_value = value
        elif isinstance(value, str):
            info.hparams[name].string_value = value
        else:
            info.hparams[name].number_value = value
    return _make_record("session_start_info", HParamsPluginData(session_start_info=info))


def make_session_end(*, is_completed: bool) -> Summary.Value:
    """Make the record of a session's end, which has failed unless it is completed."""
    status = STATUS_SUCCESS if is_completed else STATUS_FAILURE
    info = SessionEndInfo(status=status, end_time_secs=time.time())
    return _make_record("session_end_info", HParamsPluginData(session_end_info=info))


def make_table(
    sessions: Sequence[Mapping[str, HParam]], shown: Sequence[str], metrics: Mapping[str, str]
) -> Summary.Value:
    """Make the record of the columns of a table whose rows are all known.

    A folder of runs has no such record: TensorBoard would take the columns of all runs from the
    first one that it finds. Without one it collects the columns from all runs.

    Args:
        sessions: the hyperparameters of each row.
        shown: names of the columns that are shown before the others.
        metrics: tag → heading of the metrics, in the order to show.
    """
    values: dict[str, list[HParam]] = {}
    for session in sessions:
        for name, value in session.items():
            values.setdefault(name, []).append(value)
    experiment = Experiment(
        hparam_infos=[_describe(name, same, name in shown) for name, same in values.items()],
        metric_infos=[
            MetricInfo(name=MetricName(tag=tag), display_name=heading)
            for tag, heading in metrics.items()
        ],
    )
    return _make_record("experiment", HParamsPluginData(experiment=experiment))


def _describe(name: str, values: Sequence[HParam], is_shown: bool) -> HParamInfo:
    differs = is_shown or len(set(values)) > 1
    info = HParamInfo(name=name, differs=differs)
    if all(isinstance(value, bool) for value in values):
        info.type = DATA_TYPE_BOOL
        info.domain_discrete.extend(sorted(set(values)))
    elif all(isinstance(value, int | float) for value in values):
        info.type = DATA_TYPE_FLOAT64
        numbers = [float(value) for value in values]
        info.domain_interval.min_value, info.domain_interval.max_value = min(numbers), max(numbers)
    else:
        info.type = DATA_TYPE_STRING
        info.domain_discrete.extend(sorted({str(value) for value in values}))
    return info


def _make_record(name: str, content: HParamsPluginData) -> Summary.Value:
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString())
    nothing = TensorProto(
        dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
    )
    return Summary.Value(
        tag=f"_hparams_/{name}", metadata=SummaryMetadata(plugin_data=plugin), tensor=nothing
    )
