"""Train many configs on all cores, on a Ray cluster or by Slurm, and none of them twice.

The overrides of a sweep come in, and finished run folders come out: grammar (overrides to
configs), plan (what is left to train), conduct, rounds, launchers and, for each run, run_process
and training_job; progress watches the folders meanwhile.
"""

import sys

from dropexp import CallablePackage

sys.modules[__name__].__class__ = CallablePackage
