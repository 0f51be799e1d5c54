"""The properties that noise must have, as tests for its author: a plugin of pytest.

The target of a class comes in (``pytest --dropexp-contracts mine:MyDropout``); tests go out.
"""
