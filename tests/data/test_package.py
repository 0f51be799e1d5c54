import pytest

import dropexp.data


def test_what_the_package_promises_is_there() -> None:
    for name in dropexp.data.__all__:
        assert getattr(dropexp.data, name).__name__ == name


def test_what_it_does_not_promise_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        getattr(dropexp.data, "laod")  # noqa: B009
