"""Many configs minus the finished ones -> a launcher: hundreds of runs that are never repeated.

grammar (words -> configs) -> plan (what is left to do) -> conduct -> rounds -> launchers, and in
their processes worker -> run_server -> run. progress watches the store meanwhile.
"""
