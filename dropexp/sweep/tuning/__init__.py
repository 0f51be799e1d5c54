"""Choose a regulariser and its strength within a budget, and confirm the choice on fresh seeds.

Overrides with intervals come in; finished run folders and a TuneResult go out: space (what can be
chosen), proposals (what to try next, by Optuna), search (try, drop, decide), confirmation (the
chosen setting against none), conduct (all of it, on the engine of sweeps).
"""
