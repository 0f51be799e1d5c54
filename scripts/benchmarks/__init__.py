"""What scripts/bench measures: rows of two sides each, grouped by what they time."""
