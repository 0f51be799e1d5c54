"""From overrides on the command line to a checked, frozen RunConfig with its identity.

Overrides and the YAML files of conf/ come in; a RunConfig goes out. Imports no torch.
"""
