"""Watches somebody's own training loop: modes, noise and gradients, pass by pass."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from dropexp.doctor.inplace import INPLACE_ERROR
from dropexp.doctor.judging import ignores_mode, judge_evaluation, judge_registration, judge_shape
from dropexp.doctor.judging_passes import judge_passes
from dropexp.doctor.kinds import is_dropout_like, read_strength
from dropexp.doctor.passes import PassLog
from dropexp.doctor.recording import RecordedCall, Recorder
from dropexp.doctor.registration import UsedTensors, iterate_tensors
from dropexp.doctor.report import MISTAKES, Finding, describe_errors, sort_findings
from dropexp.errors import AuditError, ConfigError, suggest
from dropexp.terminal.numbers import list_few

_SAME_P = 1e-6


class LoopReport:
    """What was found in a loop; ``findings`` is complete when the ``with`` block has ended.

    Attributes:
        findings: errors first.
    """

    def __init__(self, ignore: Collection[str]) -> None:
        self.findings: tuple[Finding, ...] = ()
        self._ignore = frozenset(ignore)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make results wrong."""
        return tuple(each for each in self.findings if each.level == "error")

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def raise_if_wrong(self) -> None:
        """Raise an error if there is one.

        Raises:
            AuditError: lists the errors.
        """
        if self.errors:
            raise AuditError(describe_errors(self.errors))

    def complete(self, findings: Collection[Finding]) -> None:
        """Set the findings, without those of ignored mistakes."""
        kept = [each for each in findings if each.mistake not in self._ignore]
        self.findings = sort_findings(kept)

    def __str__(self) -> str:
        """Return one line for each finding."""
        lines = [f"{each.level}: {each.mistake}: {each.message}" for each in self.findings]
        return "\n".join(lines) or "nothing is wrong"


@contextmanager
def watch_modes(
    model: nn.Module, *, p: float | None = None, ignore: Collection[str] = ()
) -> Iterator[LoopReport]:
    """Watch your own loop for mistakes with modes and noise, such as a forgotten ``eval()``.

    Put it around one epoch of training and validation. A forward pass whose output gets a gradient
    is one of training; any other is one of evaluation. Nothing is changed or replaced; what is
    computed stays the same.

    Args:
        model: the network that the loop calls, or whose parts it calls.
        p: the drop probability that the network should have; None: any.
        ignore: mistakes that are meant so, such as ``evaluation_in_training_mode`` where batch
            norm's statistics are computed anew; keys of dropexp.doctor.report.MISTAKES.

    Yields:
        The report.

    Raises:
        ConfigError: a mistake to ignore is unknown.
    """
    for mistake in ignore:
        if mistake not in MISTAKES:
            raise ConfigError(f"ignore={mistake} is not known. {suggest(mistake, MISTAKES)}")
    report = LoopReport(ignore)
    recorder = _LoopRecorder(model)
    hook = register_optimizer_step_post_hook(recorder.take_in_step)
    broken: list[Finding] = []
    try:
        with recorder:
            yield report
    except RuntimeError as error:
        broken = recorder.explain_broken_backward(error)
        for finding in broken:
            error.add_note(f"dropexp: {finding.message}")
        raise
    finally:
        hook.remove()
        report.complete([*broken, *recorder.judge(p)])


class _LoopRecorder(Recorder):
    """Judges calls as they are made, and keeps no tensor of a pass."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self._model = model
        self._parameters = {id(parameter) for parameter in model.parameters()}
        self._log = PassLog()
        self._findings: dict[Finding, None] = {}
        self._used: UsedTensors | None = None  # of the first pass of each module from outside
        self._looked_at: set[str] = set()
        self._p: set[float] = set()
        self._inplace: dict[str, None] = {}
        self._ignoring: dict[tuple[str, str, str], RecordedCall] = {}

    def begin_pass(self, name: str, module: nn.Module, inputs: object) -> None:
        if _is_in_backward():
            return  # a checkpoint computes a part of the pass again
        self._log.begin(name, module, inputs)
        if name not in self._looked_at and torch.is_grad_enabled():
            self._looked_at.add(name)
            self._used = UsedTensors(self._model)
            self._used.ignore(iterate_tensors(inputs))

    def end_pass(self, output: object) -> None:
        if _is_in_backward():
            return
        self._log.end(output)
        if self._used is not None:
            self._add(judge_registration(self._used.name_found()))
            self._used = None

    def keep(self, recorded: RecordedCall) -> None:
        if _is_in_backward():
            return
        self._log.note(recorded)
        self._add(judge_shape(recorded))
        if ignores_mode(recorded):
            key = (recorded.module, recorded.call.function, recorded.line)
            self._ignoring.setdefault(key, recorded.without_tensors())
        if recorded.call.inplace:
            self._inplace[recorded.place] = None
        p = recorded.call.p
        if p is None and is_dropout_like(recorded.owner):
            p = read_strength(recorded.owner)
        if p and recorded.call.is_on:
            self._p.add(p)

    def follow(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        result: object,
        *,
        is_draw: bool,  # noqa: ARG002
    ) -> None:
        if self._used is not None and not _is_in_backward():
            self._used.follow(func, args, kwargs, result)

    def take_in_step(self, optimiser: Optimizer, _args: Any, _kwargs: Any) -> None:
        """Take in that an optimiser has made a step; of another network's it is ignored."""
        trained = {
            id(parameter) for group in optimiser.param_groups for parameter in group["params"]
        }
        if trained & self._parameters:
            self._log.step(needs_training_mode=self._needs_training_mode(trained))

    def explain_broken_backward(self, error: RuntimeError) -> list[Finding]:
        """Return that in-place dropout may be why a backward pass failed."""
        if INPLACE_ERROR not in str(error) or not self._inplace:
            return []
        message = (
            f"{list_few(list(self._inplace))}: in-place dropout may have overwritten the value "
            f"that the backward pass needs. Write inplace=False."
        )
        return [Finding("inplace_backward", "error", message)]

    def judge(self, p: float | None) -> list[Finding]:
        """Return all that was found."""
        findings = [*self._findings, *judge_evaluation(self._ignoring.values())]
        findings += judge_passes(self._log)
        if self.is_in_other_thread:
            message = "the network ran in another thread; put watch_modes into that thread."
            findings.append(Finding("other_thread", "error", message))
        if p is not None and not any(abs(each - p) < _SAME_P for each in self._p):
            there = ", ".join(f"{each:g}" for each in sorted(self._p)) or "none"
            message = f"no dropout that was on has p={p:g}; there was {there}."
            findings.append(Finding("other_p", "error", message))
        return findings

    def _add(self, findings: list[Finding]) -> None:
        self._findings.update(dict.fromkeys(findings))

    def _needs_training_mode(self, trained: set[int]) -> bool:
        """Return whether a dropout, or a batch norm that is trained, is in eval mode."""
        for module in self._model.modules():
            if module.training:
                continue
            if is_dropout_like(module) and read_strength(module):
                return True
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and any(
                id(parameter) in trained and parameter.requires_grad
                for parameter in module.parameters()
            ):
                return True
        return False


def _is_in_backward() -> bool:
    return torch._C._current_graph_task_id() != -1
