"""The commands, a module for each family, and what they print.

Arguments come in; calls of the packages below, text and an exit code go out.
"""
