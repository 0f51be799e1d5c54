"""The store of runs: reading, writing, listing, filtering and removing run folders.

Configs, records and files come in; frozen records, listed runs and files go out. Imports no torch.
"""
