"""One run, from its config to its summary: build, audit, train, measure, record.

A RunConfig comes in; a finished run folder goes out.
"""
