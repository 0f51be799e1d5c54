"""Add seeds to a sweep where its answer is open, until every row is decided.

A request, a question and a budget come in; a state with one verdict a row goes out. design and
replay are pure: which runs are needed follows from the results so far. rows finds the rows and
their configs, results reads the store, conduct trains round by round.
"""
