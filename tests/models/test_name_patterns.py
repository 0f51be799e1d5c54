"""Names of a network's parameters in short, as people read and write them."""

from dropexp.models.name_patterns import list_modules, matches_any

NAMES = ["stem.weight", "layer1.0.weight", "layer1.0.bias", "layer1.1.weight", "fc.weight", "scale"]


def test_a_module_stands_for_the_names_in_it_and_is_a_pattern_of_them() -> None:
    for chosen, short in (
        (NAMES, ["stem", "layer1", "fc", "scale"]),
        (["layer1.0.weight", "layer1.0.bias", "fc.weight"], ["layer1.0", "fc"]),
        (["layer1.0.bias", "scale"], ["layer1.0.bias", "scale"]),
        ([], []),
    ):
        assert list_modules(chosen, NAMES) == short
        assert [name for name in NAMES if matches_any(name, short)] == chosen
