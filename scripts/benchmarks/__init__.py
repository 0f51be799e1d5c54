"""The rows that scripts/bench measures, grouped by what is timed: processes, sweeps, steps."""
