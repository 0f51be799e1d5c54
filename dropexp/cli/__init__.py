"""The commands: one file per family, with its options and its console.

Words of the command line come in; calls of the packages below, text and an exit code go out.
"""
