"""The pictures of README and docs, drawn from real commands and real masks.

Commands and runs of dropexp come in; PNG files go out. scripts/pictures is the command.
"""
