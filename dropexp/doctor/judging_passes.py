"""What is wrong in the passes of somebody's loop, as findings with what to write instead."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

from dropexp.doctor.passes import ForwardPass, PassLog
from dropexp.doctor.report import Finding


def judge_passes(log: PassLog) -> list[Finding]:
    """Return what is wrong in the modes of passes and steps."""
    evaluations = [each for each in log.passes if not each.is_backpropagated]
    mc = _find_mc_dropout(log.passes)
    findings = [
        *_judge_evaluations(evaluations, mc),
        *_judge_mc_dropout(evaluations, mc),
        *_judge_steps(log),
    ]
    if log.passes and len(evaluations) == len(log.passes):
        findings.append(Finding("no_training", "note", "no pass was followed by a backward pass."))
    if log.passes and not evaluations:
        findings.append(
            Finding("no_evaluation", "note", "every pass was followed by a backward pass.")
        )
    if not log.passes:
        findings.append(Finding("no_training", "note", "the network was not called."))
    return findings


def _judge_evaluations(
    evaluations: Sequence[ForwardPass], mc: Collection[ForwardPass]
) -> list[Finding]:
    """Return passes of evaluation that ran in training mode."""
    wrong = [
        each
        for each in evaluations
        if each.training and (each.has_dropout or each.has_batch_norm) and each not in mc
    ]
    if not wrong:
        return []
    active = [
        *(["dropout on"] if any(each.has_dropout for each in wrong) else []),
        *(
            ["batch norm on the statistics of the batch"]
            if any(each.has_batch_norm for each in wrong)
            else []
        ),
    ]
    message = (
        f"{_count(wrong, 'forward pass', 'forward passes')} without a backward pass ran in "
        f"training mode, with {' and '.join(active)}{_name_modules(wrong)}. "
        f"Call eval() before evaluating."
    )
    return [Finding("evaluation_in_training_mode", "error", message)]


def _judge_mc_dropout(
    evaluations: Sequence[ForwardPass], mc: Collection[ForwardPass]
) -> list[Finding]:
    """Return repeated or partly switched passes in which batch norm is in training mode."""
    wrong = [
        each for each in evaluations if each.has_batch_norm and (not each.training or each in mc)
    ]
    if not wrong:
        return []
    message = (
        f"{_count(wrong, 'pass', 'passes')} of evaluation had batch norm in training "
        f"mode{_name_modules(wrong)}: predictions depend on the batch, and change the running "
        f"statistics. For MC dropout call eval(), then train() on dropout modules only."
    )
    return [Finding("batch_norm_in_eval", "error", message)]


def _find_mc_dropout(passes: Sequence[ForwardPass]) -> set[ForwardPass]:
    """Return the passes of evaluation that repeat another one on the same input, dropout on.

    A pass of training on that input does not count: small data are trained on in one batch, and
    evaluated in the same.
    """
    found: set[ForwardPass] = set()
    for first, second in pairwise(passes):
        is_training = first.is_backpropagated or second.is_backpropagated
        if second.is_repeated and not is_training and first.has_dropout and second.has_dropout:
            found |= {first, second}
    return found


def _judge_steps(log: PassLog) -> list[Finding]:
    if not log.wrong_steps:
        return []
    message = (
        f"{log.wrong_steps} of {log.steps} optimiser steps used gradients of passes in eval mode "
        f"only, so dropout was off and batch norm did not learn its statistics. Call train() after "
        f"validating."
    )
    return [Finding("training_in_eval_mode", "error", message)]


def _count(items: Sequence[object], one: str, several: str) -> str:
    return f"{len(items)} {one if len(items) == 1 else several}"


def _name_modules(passes: Sequence[ForwardPass]) -> str:
    names = [name for name, _ in Counter(each.module for each in passes).most_common(3) if name]
    return f" ({', '.join(names)})" if names else ""
