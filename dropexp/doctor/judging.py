"""What is wrong in the calls that a network makes, as findings with what to write instead."""

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from dropexp.doctor.calls import describe_module, expected_dimensions
from dropexp.doctor.kinds import is_dropout_like
from dropexp.doctor.recording import RecordedCall
from dropexp.doctor.registration import UnregisteredTensor
from dropexp.doctor.report import Finding, NoiseSite
from dropexp.regularisers import preserve_modes
from dropexp.terminal.numbers import list_few

_DROP_NAMES = ("drop", "stochastic_depth")
_SAME_P = 1e-6


def judge_modes(model: nn.Module) -> list[Finding]:
    """Return the modules that do not follow ``train()`` and ``eval()``."""
    stuck: dict[str, None] = {}
    with preserve_modes(model):
        for training in (True, False):
            model.train(training)
            for name, module in model.named_modules():
                if module.training is not training:
                    stuck[f"{name or 'the network'} ({describe_module(module)})"] = None
    if not stuck:
        return []
    message = (
        f"{list_few(list(stuck))}: train() and eval() do not switch the mode. An overridden "
        f"train() must call super().train(mode) and return self."
    )
    return [Finding("mode_not_switched", "error", message)]


def judge_registration(tensors: Sequence[UnregisteredTensor]) -> list[Finding]:
    """Return that tensors are used and not registered."""
    if not tensors:
        return []
    message = (
        f"{list_few([tensor.name for tensor in tensors])}: the network computes with it and does "
        f"not register it, so it is neither trained nor saved. Use nn.ModuleList, nn.ParameterList "
        f"or register_buffer, and construct layers in __init__."
    )
    return [Finding("not_registered", "error", message)]


def judge_evaluation(calls: Iterable[RecordedCall]) -> list[Finding]:
    """Return what draws, or normalises by batches, in passes in eval mode.

    Args:
        calls: of passes whose outermost module is in eval mode.
    """
    groups: dict[tuple[object, ...], list[RecordedCall]] = {}
    for recorded in calls:
        if recorded.call.is_on:
            where = describe_module(recorded.owner) if recorded.is_by_module else recorded.line
            key = (where, recorded.call.function, recorded.was_training, recorded.stray is None)
            groups.setdefault(key, []).append(recorded)
    findings = [_judge_calls_in_evaluation(group) for group in groups.values()]
    return [finding for finding in findings if finding is not None]


def _judge_calls_in_evaluation(group: Sequence[RecordedCall]) -> Finding | None:
    """Return what is wrong with calls from one line, or from modules of one class."""
    first = group[0]
    call, place = first.call, _name_place(group)
    if first.stray is not None:
        message = (
            f"{describe_module(first.stray)} at {first.line} is not registered, so eval() does not "
            f"reach it and it drops. Use nn.ModuleList, and construct modules in __init__."
        )
        return Finding("not_registered", "error", message)
    if call.kind == "batch_norm":
        return _judge_batch_norm(first, place)
    if first.was_training and first.is_by_module:
        message = f"{place}: in training mode after eval() of the network."
        return Finding("noise_in_eval", "error", message)
    if call.kind == "dropout":
        message = (
            f"{place} drops in eval mode (p={call.p:g}). Write {call.function}(x, p, "
            f"training=self.training)."
        )
        return Finding("noise_in_eval", "error", message)
    if call.kind == "attention":
        message = (
            f"{place} drops attention weights in eval mode (p={call.p:g}). Write "
            f"dropout_p=p if self.training else 0.0."
        )
        return Finding("attention_noise_in_eval", "error", message)
    if is_dropout_like(first.owner) or call.kind in ("recurrent", "activation"):
        message = f"{place} draws random numbers in eval mode. Draw only if self.training."
        return Finding("noise_in_eval", "error", message)
    return None  # whether other random numbers matter is decided by the outputs


def _name_place(group: Sequence[RecordedCall]) -> str:
    first = group[0]
    if first.is_by_module:
        return list_few(list(dict.fromkeys(each.place for each in group)))
    modules = list(dict.fromkeys(each.module for each in group if each.module))
    inside = f" in {list_few(modules, 1)}" if modules else ""
    return f"{first.call.function} at {first.line}{inside}"


def _judge_batch_norm(recorded: RecordedCall, place: str) -> Finding | None:
    owner, x = recorded.owner, recorded.call.x
    if isinstance(owner, nn.modules.batchnorm._BatchNorm):
        if not recorded.was_training:
            return None  # it was built without running statistics: the batch's are all it has
        message = (
            f"{place}: in training mode in evaluation, so predictions depend on the batch, and "
            f"change its running statistics. Switch on dropout modules only."
        )
    elif x is not None and x.shape[0] == 1:
        return None  # one example is no batch; weights are standardised in this way
    else:
        message = f"{place} uses the batch's statistics in eval mode. Write training=self.training."
    return Finding("batch_norm_in_eval", "error", message)


def explain_random_evaluation(calls: Iterable[RecordedCall]) -> Finding:
    """Return that two evaluation passes differ, with the draws that could be why."""
    places = list(dict.fromkeys(each.place for each in calls if each.call.kind == "draw"))
    why = (
        f"It draws at {list_few(places)}"
        if places
        else "Torch drew nothing, so Python's or NumPy's random numbers may be the reason, or "
        "state that a pass changes"
    )
    return Finding("random_evaluation", "error", f"two evaluation passes differ. {why}.")


def ignores_mode(recorded: RecordedCall) -> bool:
    """Return whether a call in somebody's loop draws although its module is in eval mode.

    A dropout module that is in training mode while the network evaluates is meant so: MC dropout.
    """
    is_ignored = not recorded.was_training or recorded.stray is not None
    return recorded.call.is_on and recorded.call.kind != "draw" and is_ignored


def judge_shape(recorded: RecordedCall) -> list[Finding]:
    """Return that dropout of channels gets an input of other dimensions than its name says."""
    allowed = expected_dimensions(recorded.call.function)
    x = recorded.call.x
    if not allowed or x is None or x.dim() in allowed:
        return []
    form = {3: "(N, C, L)", 4: "(N, C, H, W)", 5: "(N, C, D, H, W)"}[max(allowed)]
    advice = _SHAPE_ADVICE.get((max(allowed), x.dim()), "Use the dropout of this shape.")
    message = (
        f"{recorded.place} drops channels of {form} and gets an input of shape {tuple(x.shape)}. "
        f"{advice}"
    )
    return [Finding("dropout_shape", "error", message)]


_SHAPE_ADVICE: Mapping[tuple[int, int], str] = {
    (4, 3): "Use Dropout1d for (N, C, L); give a single image (C, H, W) a batch axis.",
    (4, 2): "Use Dropout for features (N, F).",
    (4, 5): "Use Dropout3d for (N, C, D, H, W).",
    (5, 4): "Use Dropout2d for (N, C, H, W).",
    (3, 4): "Use Dropout2d for (N, C, H, W).",
}
"""Dimensions that a dropout of channels expects, and those of its input → what to do."""


def judge_strengths(
    model: nn.Module, sites: Sequence[NoiseSite], calls: Sequence[RecordedCall], p: float | None
) -> list[Finding]:
    """Return where a drop probability is 0 or another one than was asked for.

    Args:
        model: the network.
        sites: of the network.
        calls: of a pass in training mode.
        p: the drop probability that the network should have; None: any.
    """
    given = [*(site.p for site in sites), *(each.call.p for each in calls)]
    in_use = {each for each in given if each}
    findings = []
    if p is not None and not any(abs(each - p) < _SAME_P for each in in_use):
        there = ", ".join(f"{each:g}" for each in sorted(in_use)) or "none"
        message = f"no dropout of the network has p={p:g}; there is {there}."
        findings.append(Finding("other_p", "error", message))
    findings += _judge_unused_rates(model, in_use)
    zero = [f"{site.module or 'the network'} ({site.what})" for site in sites if site.p == 0]
    zero += dict.fromkeys(
        each.place
        for each in calls
        if each.call.kind == "dropout" and each.call.p == 0 and not each.is_by_module
    )
    if zero:
        message = f"{list_few(zero)}: p = 0, so nothing is dropped."
        findings.append(Finding("zero_p", "note", message))
    return findings


def _judge_unused_rates(model: nn.Module, in_use: set[float]) -> list[Finding]:
    """Return attributes with a drop probability that no dropout has."""
    unused = []
    for name, module in model.named_modules():
        if is_dropout_like(module):
            continue
        for attribute, value in vars(module).items():
            if (
                any(word in attribute.lower() for word in _DROP_NAMES)
                and isinstance(value, float)
                and 0 < value < 1
                and not any(abs(each - value) < _SAME_P for each in in_use)
            ):
                unused.append(f"{f'{name}.' if name else ''}{attribute}={value:g}")
    if not unused:
        return []
    message = (
        f"{list_few(unused)}: no dropout of the network has this p, so it is ignored or replaced "
        f"by another value."
    )
    return [Finding("other_p", "error", message)]


def explain_failed_pass(error: BaseException) -> Finding:
    """Return that the network works in eval mode and not in training mode."""
    message = f"a pass in training mode fails: {type(error).__name__}: {error}"
    return Finding("training_fails", "error", message.splitlines()[0])
