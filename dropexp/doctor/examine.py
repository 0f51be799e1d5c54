"""Examines a network without training it: passes in both modes, and a probe of each noise."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.doctor import judging
from dropexp.doctor.inplace import find_inplace_mistakes
from dropexp.doctor.recording import Recorder, refuse_scripted
from dropexp.doctor.registration import find_unregistered, iterate_tensors
from dropexp.doctor.report import DoctorReport, Finding, sort_findings
from dropexp.doctor.silent_weights import wake_silent_weights
from dropexp.doctor.sites import Passes, find_noise_sites
from dropexp.errors import ConfigError
from dropexp.randomness import global_stream
from dropexp.regularisers import preserve_modes


def diagnose(model: nn.Module, *inputs: Any, p: float | None = None, seed: int = 0) -> DoctorReport:
    """Examine the noise of any network: what ``dropexp doctor`` shows.

    The network is not changed; the passes run on a copy. Weights that are zero at initialisation
    get other values there, as they would hide what lies before them.

    Args:
        model: any network.
        inputs: the arguments of its forward, such as a batch of images (N, C, H, W), N ≥ 2.
        p: the drop probability that the network should have; None: any.
        seed: of the random numbers that the examination draws.

    Returns:
        Every dropout-like module and function call with its measured drop rate, scale and axis,
        and what is wrong.

    Raises:
        ConfigError: the network cannot be copied, or is compiled by TorchScript.
        Exception: whatever the network raises in eval mode.
    """
    refuse_scripted({module: name for name, module in model.named_modules()})
    device = next((each.device for each in iterate_tensors(inputs)), torch.device("cpu"))
    with global_stream(seed, "audit", device=device), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network's own; what matters is a finding
        return _Examination(_copy(model), inputs, device, p).run()


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise ConfigError(
            f"the network cannot be copied, and the doctor examines a copy: "
            f"{type(error).__name__}: {error}"
        ) from error


@dataclass
class _Examination:
    model: nn.Module
    inputs: Sequence[Any]
    device: torch.device
    p: float | None
    findings: list[Finding] = field(default_factory=list)

    def run(self) -> DoctorReport:
        self.findings += judging.judge_modes(self.model)
        self._run(training=False)  # initialises what is lazy
        self.findings += self._judge_registration()
        wake_silent_weights(self.model)
        evaluated = self._record(training=False)
        self.findings += judging.judge_evaluation(evaluated.calls)
        if not self.findings:
            self.findings += self._compare_evaluations(evaluated)
        passes = Passes(self._record_training(), evaluated)
        trained = passes.trained.calls
        sites, findings = find_noise_sites(self.model, passes, self.device)
        self.findings += findings
        for recorded in trained:
            self.findings += judging.judge_shape(recorded)
        self.findings += judging.judge_strengths(self.model, sites, trained, self.p)
        if any(each.call.inplace for each in trained):
            self.findings += find_inplace_mistakes(self.model, self._run_for_gradients)
        return DoctorReport(tuple(sites), sort_findings(self.findings))

    def _run(self, training: bool, *, gradients: bool = False) -> Any:
        with preserve_modes(self.model), torch.set_grad_enabled(gradients):
            self.model.train(training)
            # A copy, as the network may overwrite its input.
            return self.model(*copy.deepcopy(tuple(self.inputs)))

    def _record(self, training: bool) -> Recorder:
        with Recorder(self.model) as recorder:
            self._run(training)
        return recorder

    def _record_training(self) -> Recorder:
        recorder = Recorder(self.model)
        try:
            with recorder:
                self._run(training=True)
        except Exception as error:  # the network's own, which is a finding
            self.findings.append(judging.explain_failed_pass(error))
        return recorder

    def _judge_registration(self) -> list[Finding]:
        inputs = copy.deepcopy(tuple(self.inputs))

        def run() -> None:
            with preserve_modes(self.model), torch.enable_grad():
                self.model.eval()
                self.model(*inputs)

        return judging.judge_registration(
            find_unregistered(self.model, run, iterate_tensors(inputs))
        )

    def _compare_evaluations(self, evaluated: Recorder) -> list[Finding]:
        """Return that two evaluations differ, where none of their calls says why."""
        outputs = [list(iterate_tensors(self._run(training=False))) for _ in range(2)]
        if all(map(_is_same, *outputs)):
            return []
        return [judging.explain_random_evaluation(evaluated.calls)]

    def _run_for_gradients(self) -> Tensor | None:
        """Return the sum of the outputs of a training pass, for backward; None without any."""
        outputs = iterate_tensors(self._run(training=True, gradients=True))
        sums = [tensor.sum() for tensor in outputs if tensor.is_floating_point()]
        return torch.stack(sums).sum() if sums else None


def _is_same(first: Tensor, second: Tensor) -> bool:
    return torch.equal(first.nan_to_num(), second.nan_to_num())
