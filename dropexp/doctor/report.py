"""What the doctor found: plain values, for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from dropexp.errors import AuditError

Level = Literal["error", "note"]

MISTAKES: Mapping[str, str] = {
    "noise_in_eval": "dropout or other noise is on in eval mode",
    "attention_noise_in_eval": "attention's dropout_p is on in eval mode",
    "random_evaluation": "two evaluation passes differ",
    "training_fails": "a pass in training mode fails",
    "mode_not_switched": "a module does not switch between training and eval mode",
    "dropout_shape": "dropout of channels gets an input of another number of dimensions",
    "zero_p": "dropout has p = 0 and does nothing",
    "other_p": "no dropout has the drop probability that was asked for",
    "never_drops": "dropout has p > 0 and drops nothing",
    "scale": "the mean output in training is not that in evaluation",
    "inplace_backward": "in-place dropout breaks the backward pass",
    "inplace_overwrites": "in-place dropout changes a value that is used elsewhere",
    "batch_norm_in_eval": "batch norm uses the statistics of the batch in evaluation",
    "not_registered": "a tensor is computed with and not registered",
    "not_called": "a dropout module is never called",
    "evaluation_in_training_mode": "evaluation without eval()",
    "training_in_eval_mode": "training without train()",
    "no_training": "nothing was trained while the network was watched",
    "other_thread": "the network ran in another thread, where nothing is seen",
    "no_evaluation": "nothing was evaluated while the network was watched",
}
"""Name of each mistake → what is wrong. Names are stable, for ``ignore`` and for programs."""


@dataclass(frozen=True, slots=True)
class NoiseSite:
    """A dropout-like module or function call of a network.

    Attributes:
        module: name of the module that it is in, or that it is; empty for the network itself.
        what: the class of a module, or the function with file and line.
        p: the drop probability that it is given; None where it is not known.
        drop_rate: the share of its units that it dropped when it was measured in training mode,
            in [0, 1]; None where it cannot be measured.
        scale: what kept values are multiplied by.
        axis: what a single draw decides about: ``elements``, ``channels``, ``examples``, ….
        is_silent_in_eval: whether it draws nothing in eval mode.
    """

    module: str
    what: str
    p: float | None
    drop_rate: float | None
    scale: float | None
    axis: str
    is_silent_in_eval: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or worth knowing.

    Attributes:
        mistake: a key of MISTAKES.
        level: ``error`` where results are wrong; ``note`` where it may be meant so.
        message: where it is, what is wrong, and what to write instead, in one or two sentences.
    """

    mistake: str
    level: Level
    message: str


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """What was found in a network.

    Attributes:
        sites: every dropout-like module and function call, in the order of execution.
        findings: errors first.
    """

    sites: tuple[NoiseSite, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make results wrong."""
        return tuple(each for each in self.findings if each.level == "error")

    @property
    def passed(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "passed": self.passed,
            "sites": [asdict(site) for site in self.sites],
            "findings": [asdict(finding) for finding in self.findings],
        }

    def raise_if_wrong(self) -> None:
        """Raise an error if there is one.

        Raises:
            AuditError: lists the errors.
        """
        if self.errors:
            raise AuditError(describe_errors(self.errors))


def describe_errors(errors: Sequence[Finding]) -> str:
    """Return the errors as one text."""
    return " ".join(f"{error.mistake}: {error.message}" for error in errors)


def sort_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return each finding once, errors first, otherwise in their order."""
    unique = list(dict.fromkeys(findings))
    return tuple(sorted(unique, key=lambda finding: finding.level != "error"))
