"""Print the seconds of thirty epochs of the default job, trained by dropexp or by hand.

Each side has a process of its own, as for its user: dropexp's settings of OpenMP and of memory
would change the other side too.

    epoch_loop.py dropexp
    epoch_loop.py handwritten
    epoch_loop.py dropexp --work    the processor's seconds, with one thread and nothing beside it

On two cores torch gives the second one to every layer, and dropexp to the evaluation of the last
epoch, whatever the epochs themselves cost; ``--work`` compares what they cost.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

_P = 0.3


def prepare_dropexp(*, has_one_thread: bool) -> Callable[[], None]:
    """Return the training of a run with its files: metrics, checkpoint, log, TensorBoard."""
    from dropexp.training.startup import shorten_waits

    shorten_waits()  # before torch is imported

    import torch

    from dropexp import data
    from dropexp.cli.progress_display import Verbosity
    from dropexp.cli.run_console import RunConsole
    from dropexp.config.compose import compose_run
    from dropexp.runs.write import RunFolder
    from dropexp.training.build import build_plan, build_state
    from dropexp.training.environment import configure_torch
    from dropexp.training.loop import train
    from dropexp.training.recorder import Recorder
    from dropexp.training.run import watch_cores
    from dropexp.training.threads import choose_threads

    config = compose_run(["regulariser=dropout2d", f"p={_P}", "train.epochs=30"])
    threads = 1 if has_one_thread else choose_threads(config)
    configure_torch(torch.device("cpu"), threads, None)
    splits = data.load(config.data)

    def run() -> None:
        with tempfile.TemporaryDirectory() as runs:
            folder = RunFolder(Path(runs), config.run_id)
            folder.path.mkdir()
            state = build_state(config, splits)
            plan = build_plan(config, splits, state.model)
            other_core = [] if has_one_thread else [watch_cores(plan, shares_cores=False)]
            with Recorder(
                config, folder, state, splits, RunConsole(verbosity=Verbosity.QUIET)
            ) as recorder:
                for record in train(state, plan, None, *other_core):
                    recorder.write_epoch(record)

    return run


def prepare_handwritten(*, has_one_thread: bool) -> Callable[[], None]:
    """Return the same training and evaluation by hand, without files."""
    import torch

    from baselines import handwritten

    if has_one_thread:
        torch.set_num_threads(1)
    splits = handwritten.load()
    return lambda: handwritten.train(handwritten.Net(p=_P), splits, epochs=30)


def main() -> None:
    prepare = {"dropexp": prepare_dropexp, "handwritten": prepare_handwritten}[sys.argv[1]]
    is_work = sys.argv[2:] == ["--work"]
    run = prepare(has_one_thread=is_work)
    clock = time.process_time if is_work else time.perf_counter
    run()  # a warm-up
    start = clock()
    run()
    print(clock() - start)


if __name__ == "__main__":
    main()
