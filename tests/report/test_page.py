import re
from dataclasses import replace

import pytest

from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison
from dropexp.report import render_page
from dropexp.report.answer import answer
from dropexp.statistics import Verdict
from tests.made_up import STUDIES, make_comparison

KNOWN = Provenance(("dropexp sweep study=first",), {"torch": "2.13.0"})


@pytest.fixture(scope="module")
def study() -> Comparison:
    return make_comparison(("none", "dropout2d", "spatial_dropout"), seeds=8)


@pytest.fixture(scope="module")
def page(study: Comparison) -> str:
    return render_page(study, KNOWN)


def test_the_page_asks_for_nothing_from_anywhere(page: str) -> None:
    own = page[: page.index('<script type="application/json"')]
    assert "http://" not in own
    assert "https://" not in own
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=[\"'](?!data:)", own)
    assert not re.findall(r"@import|url\((?!data:)", own)
    assert "default-src 'none'" in own


def test_the_page_has_the_answer_the_table_and_the_commands(page: str, study: Comparison) -> None:
    for text in (answer(study)[0], "dropexp sweep study=first", "2.13.0", "passed, 8 of 8"):
        assert text in page
    assert "Intervals cover new seeds on the same data, not new data." in page
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert body.count("<tr>") == len(study.rows)
    row = study.row("dropout2d p=0.3")
    assert f"{row.estimates['test_loss'].value:.3f}" in body
    assert "None. Every run of these settings finished" in page


def test_what_diverged_is_told() -> None:
    page = render_page(make_comparison(diverged=[("dropout2d", 0)]), KNOWN)
    assert "dropout2d p=0.3: 1 of 6 runs diverged." in page
    assert ">5/6</td>" in page
    assert "Every run of these settings finished" not in page


def test_names_cannot_end_the_page() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=2, data_name=("</script><b>x",))
    page = render_page(study, KNOWN)
    assert "</script><b>x" not in page


def test_names_cannot_turn_the_page_around() -> None:
    study = make_comparison(("none", "dropout2d"), seeds=2, data_name=("\u202egpj\x9b2J",))
    page = render_page(study, KNOWN)
    assert "\\u202egpj\\x9b2J" in page
    assert not {"\u202e", "\x9b"} & set(page)


def test_hundred_runs_of_many_settings_stay_small() -> None:
    study = make_comparison(
        ("none", "dropout2d", "spatial_dropout", "dropconnect", "dropout"),
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        seeds=3,
        epochs=200,
    )
    assert len(study.rows) == 33
    assert len(render_page(study, KNOWN).encode()) < 3_000_000


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_badge(study: Comparison, verdict: Verdict) -> None:
    rows = (study.rows[0], *(replace(row, verdict=verdict) for row in study.rows[1:]))
    with_margin = replace(study, rows=rows, rule=replace(study.rule, margin=0.01))
    page = render_page(with_margin, KNOWN)
    assert re.search(rf'<span class="badge (good|bad|plain|equal|note)">{verdict}', page)


@pytest.mark.parametrize("name", ["anytime", "no interval", "margin"])
def test_the_page_says_which_test_decided_and_what_its_interval_is(name: str) -> None:
    page = render_page(STUDIES[name](), KNOWN)
    kind, interval = ("planned", "95% t") if name == "margin" else ("anytime", "95% anytime")
    assert f"The {kind} test (" in page
    assert f"Its {interval} interval" in page
    assert "infinity" not in page[: page.index('<script type="application/json"')].lower()
    if name == "no interval":
        assert "no result can have a p-value below" in page


def test_the_title_counts_one_setting_and_one_run() -> None:
    alone = make_comparison(("none",), seeds=1)
    title = "<title>dropexp: 1 setting, 1 run, digits with 400 images and 20% noisy labels</title>"
    assert title in render_page(alone, Provenance())


def test_settings_that_still_improve_are_no_missing_runs() -> None:
    page = render_page(make_comparison(epochs=3, train_epochs=(3,)), Provenance())
    assert page.count("Still improving at their last epoch") == 1
    assert page.index("Still improving") < page.index('id="missing"')


def test_a_page_of_one_seed_says_nothing_of_intervals() -> None:
    page = render_page(STUDIES["one seed"](), Provenance())
    body = page[page.index("<body>") : page.index('<script type="application/json"')]
    assert "interval" not in body
    assert "One seed for each setting" in body
