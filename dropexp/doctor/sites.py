"""The dropout-like modules and function calls of a network, each measured by itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dropexp.doctor.calls import describe_module
from dropexp.doctor.kinds import is_dropout_like, is_simple, read_strength
from dropexp.doctor.measuring import (
    Measurement,
    deviates,
    measure,
    measure_mask,
    never_drops,
    probe_attention,
    probe_module,
    shape_of_attention,
)
from dropexp.doctor.recording import RecordedCall, Recorder
from dropexp.doctor.report import Finding, NoiseSite
from dropexp.terminal.numbers import list_few


@dataclass(frozen=True)
class Passes:
    """What was recorded in one pass in each mode."""

    trained: Recorder
    evaluated: Recorder


def find_noise_sites(
    model: nn.Module, passes: Passes, device: torch.device
) -> tuple[list[NoiseSite], list[Finding]]:
    """Return the sites of a network, and what is wrong with those that can be measured.

    Args:
        model: the network.
        passes: of the network.
        device: of the network.
    """
    trained, evaluated = passes.trained, passes.evaluated
    loud = {(each.module, each.what) for each in evaluated.calls if is_noise(each)}
    sites: dict[tuple[str, str], NoiseSite] = {}
    findings: list[Finding] = []
    for index, recorded in enumerate(trained.calls):
        key = (recorded.module, recorded.what)
        if not is_noise(recorded) or key in sites:
            continue
        measured = _measure(recorded, trained.masks.of_call.get(index), device)
        p = recorded.call.p
        if p is None and is_dropout_like(recorded.owner):
            p = read_strength(recorded.owner)
        sites[key] = _make_site(key, p, measured, is_silent=key not in loud)
        if measured is not None:
            findings += _judge(recorded, measured, p)
    ran = trained.ran | evaluated.ran
    quiet = {name: each for name, each in model.named_modules() if is_dropout_like(each)}
    for name, module in quiet.items():
        key = (name, describe_module(module))
        sites.setdefault(key, _make_site(key, read_strength(module), None, is_silent=True))
    findings += _judge_uncalled({name: each for name, each in quiet.items() if each not in ran})
    return list(sites.values()), findings


def is_noise(recorded: RecordedCall) -> bool:
    """Return whether a call draws random numbers."""
    return recorded.call.is_on and recorded.call.kind != "batch_norm"


def _make_site(
    key: tuple[str, str], p: float | None, measured: Measurement | None, *, is_silent: bool
) -> NoiseSite:
    module, what = key
    if measured is None:
        return NoiseSite(module, what, p, None, None, "", is_silent)
    return NoiseSite(module, what, p, measured.rate, measured.scale, measured.axis, is_silent)


def _measure(
    recorded: RecordedCall, mask: tuple[Tensor, tuple[int, ...]] | None, device: torch.device
) -> Measurement | None:
    """Return the measurement of a call, or of the small module that makes it; None if neither."""
    call = recorded.call
    try:
        if call.kind == "attention" and call.p and call.x is not None and call.x.dim() > 2:
            return measure(probe_attention(call.p), shape_of_attention(call.x), device)
        if call.kind == "dropout" and call.x is not None and call.repeat is not None:
            return measure(call.repeat, tuple(call.x.shape), device)
        if call.kind == "draw" and is_simple(recorded.owner) and recorded.owner_input is not None:
            return measure(probe_module(recorded.owner), recorded.owner_input, device)
    except Exception:  # a module of anybody's may raise anything on ones
        return None
    return None if mask is None else measure_mask(*mask)


def _judge(recorded: RecordedCall, measured: Measurement, p: float | None) -> list[Finding]:
    """Return what is wrong with a module that draws its mask itself; torch's own are right."""
    if recorded.call.kind != "draw" or not is_dropout_like(recorded.owner):
        return []
    if p is not None and never_drops(measured, p):
        message = f"{recorded.place} has p={p:g} and dropped nothing in {measured.passes} passes."
        return [Finding("never_drops", "error", message)]
    known = measured.rate if p is None else p
    if known < 1 and deviates(measured, known):
        message = (
            f"{recorded.place}: its mean output in training is {measured.mean:.3g} times that in "
            f"eval mode. Divide what is kept by 1 − p in training, or multiply by it in eval mode."
        )
        return [Finding("scale", "error", message)]
    return []


def _judge_uncalled(modules: Mapping[str, nn.Module]) -> Iterable[Finding]:
    named = [
        f"{name} ({describe_module(each)})" for name, each in modules.items() if read_strength(each)
    ]
    if named:
        verb = "is" if len(named) == 1 else "are"
        yield Finding("not_called", "note", f"{list_few(named)} {verb} never called.")
