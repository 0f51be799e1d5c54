from dropexp.compare.provenance import Provenance
from dropexp.report import render_markdown
from dropexp.report.answer import answer
from tests.made_up import make_comparison


def test_markdown_has_a_line_for_each_setting_and_escapes() -> None:
    study = make_comparison(("none", "dropout2d", "spatial_dropout"), seeds=8)
    text = render_markdown(study, Provenance(("dropexp sweep study=first",)))
    assert f"**{answer(study)[0]}**".replace("_", r"\_") in text
    assert "*Intervals cover new seeds on the same data, not new data.*" in text
    lines = text.splitlines()
    assert sum(line.startswith(r"| spatial\_dropout p=0.3 |") for line in lines) == 2
    tables = [line.count("|") - line.count(r"\|") for line in lines if line.startswith("|")]
    assert len(set(tables)) == 2, "each table has as many bars in every line"
