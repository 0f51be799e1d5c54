"""The cached reader of config.yaml reads the same values as PyYAML."""

import pytest
import yaml

from dropexp.config.compose import compose_run, to_yaml
from dropexp.config.fast_yaml import parse_flat_yaml, parse_yaml
from dropexp.config.setting import flatten

TEXTS = {
    "a config": to_yaml(compose_run(["regulariser=dropconnect", "p=0.3", "model=mlp"])),
    "a long text in several lines": yaml.safe_dump({"p": "words " * 40, "seed": 1}),
    "comments and no last line end": "# mine\np: 0.5  # often\nseed: 1",
    "a value that continues on an unindented line": "p: [1,\n2]\nseed: 3\n",
    "a star that is no alias": "sites: ['layer4.*']\nseed: 1\n",
    "document markers": "---\np: 1\nseed: 2\n...\n",
    "one key in quotes": '"p": 1\nseed: 2\n',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_it_reads_the_same_as_pyyaml(text: str) -> None:
    assert parse_yaml(text) == yaml.safe_load(text)
    assert parse_flat_yaml(text) == flatten(yaml.safe_load(text))
    assert parse_yaml(text) == yaml.safe_load(text)  # from the cache


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "just words", "p: [", "p: 1\n  q: 2\n"])
def test_a_text_that_is_not_a_mapping_is_refused(text: str) -> None:
    with pytest.raises((yaml.YAMLError, ValueError)):
        parse_yaml(text)


def test_numbers_keep_their_types() -> None:
    flat_config = parse_flat_yaml("a: 1\nb: 1.0\nc: true\nd: null\ne:\n- 1\n")
    assert [type(value) for value in flat_config.values()] == [int, float, bool, type(None), list]
