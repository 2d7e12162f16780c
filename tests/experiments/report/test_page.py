import base64
import re
from html.parser import HTMLParser

import pandas as pd
import pytest
from matplotlib import pyplot

from experiments.plots import Options, draw
from experiments.report.content import failures, machines, macs_unit, margins, summary_table, table_cells, verdicts
from experiments.report.page import render, write_report
from experiments.report.task_drops import task_drops
from experiments.table.claims.statistics import holm
from experiments.table.summary import figure, summary
from experiments.table.summary_measures import with_summary
from experiments.table.sweep_data import read


class Page(HTMLParser):
    """Elements, links and texts of a page."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text, self.open = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "link", "br"):
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def sweep(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "shapes"
    return read(made.make(folder, seeds=2, criteria=("l1", "random"), ratios=(0.25, 0.5)))


@pytest.fixture(scope="module")
def html(sweep):
    with pytest.MonkeyPatch.context() as patch:  # test_draw.py has them all
        patch.setattr(draw, "PLOTS", {name: draw.PLOTS[name] for name in ("tradeoff", "parts", "pictures")})
        patch.setitem(pyplot.rcParams, "savefig.dpi", 40)
        return render(sweep, Options())


@pytest.fixture(scope="module")
def page(html):
    found = Page(html)
    assert not found.open, "elements that are not closed"
    return found


def test_every_run_and_failure_is_on_the_page(sweep, page):
    text = " ".join(page.text)
    assert len(sweep.runs) == 2 * (2 + 4 + 1 + 4) + 1
    assert all(run in text for run in sweep.runs)
    assert "UserError: the loss is <nan> & it diverged" in text  # escaped in the file, whole to the reader


def test_the_page_needs_nothing_from_anywhere(html, page):
    assert page.links
    assert all(link.startswith(("data:image/", "#")) for link in page.links)
    outside = re.sub(r"data:image/[^\"]*", "", html)
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|fetch\(|XMLHttp", outside)
    assert page.all("meta")[2]["content"].startswith("default-src 'none'")
    assert {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed"} == set()


def test_what_runs_wrote_cannot_become_markup(made, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "PLOTS", {})
    folder = made.make(tmp_path / "evil", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False)
    (folder / "runs" / "l2-0.5-s0-dead01" / "error.txt").write_text("<script>alert(1)</script>")
    (folder / "recipe.yaml").write_text("name: </pre><img src=x>\n")
    found = Page(write_report(folder).read_text(encoding="utf-8"))
    assert len(found.all("script")) == 1
    assert not found.all("img")


def test_plots_are_inside_with_their_captions(page, sweep):
    images = page.all("img")
    names = [attrs["id"] for attrs in page.all("figure")]
    assert names[0] == "plot-tradeoff" and len(names) == len(images) == 5
    for attrs in images:
        kind, data = attrs["src"].split(";base64,")
        assert kind == "data:image/svg+xml"
        assert b"<svg" in base64.b64decode(data)[:600]
        assert len(attrs["alt"]) > 60
    assert all((sweep.folder / f"{name.removeprefix('plot-')}.svg").is_file() for name in names)
    assert any("pictures: left out: the dense model" in text for text in page.text)


def test_the_contents_lead_to_sections(page):
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors == {attrs["id"] for attrs in page.all("section")}


def test_cells_hold_the_values_to_sort_by(sweep):
    cells = table_cells(sweep)
    names = [head["name"] for head in cells["head"]]
    assert len(cells["rows"]) == len(sweep.table)
    for name in ("mask_iou", "asked", "params", "delta_bbox_ap", "latency_ratio"):
        place = names.index(name)
        values = [row[place]["value"] for row in cells["rows"]]
        given = sweep.table[name]
        assert [value is None for value in values] == given.isna().tolist()
        assert [value for value in values if value is not None] == pytest.approx(given.dropna().tolist())
        assert cells["head"][place]["number"]
    assert not cells["head"][names.index("criterion")]["number"]
    texts = {cell["text"] for row in cells["rows"] for cell in row}
    assert not {"nan", "None", "NaN", "<NA>"} & texts
    assert {"", "0.25", "380 000 000"} <= texts


def test_verdicts_and_few_seeds(page):
    lines = [text for text in page.text if "minus random" in text or "cannot be told apart" in text]
    assert len(lines) == 4 and all("2 seeds are too few" in line for line in lines)
    assert not [attrs for attrs in page.all("li") if attrs.get("class") == "yes"]


def test_a_reports_verdicts_are_corrected_together(made_sweep, html, page):
    found = verdicts(read(made_sweep))
    titles = [pair["title"] for pair in found["pairs"]]
    assert titles == ["l1 against taylor", "l1 against random", "taylor against random"]
    assert found["correction"] == "Holm over the 12 contrasts of this report"
    sweep = read(made_sweep)
    alone = [sweep.verdict(*pair).contrasts for pair in (("l1", "taylor"), ("l1", "random"), ("taylor", "random"))]
    together = holm([contrast.p for contrasts in alone for contrast in contrasts])
    lines = [line for pair in found["pairs"] for line, _ in pair["lines"]]
    claims = [claimed for pair in found["pairs"] for _, claimed in pair["lines"]]
    assert claims == [p < 0.05 for p in together]
    for line, p in zip(lines, together, strict=True):
        assert (f"Holm p = {p:.3f}" if p >= 0.001 else "Holm p < 0.001") in line
    assert "All p are corrected together: Holm over the 4 contrasts of this report." in re.sub(r"\s+", " ", html)


def test_margins_are_those_of_the_problem(made_sweep, other_sweep, made_three, tmp_path):
    found = margins(read(made_sweep))
    assert found["question"] == "Within 0.01 (box AP, mask AP) of the dense control of the same seed?"
    assert len(found["lines"]) == 3 * 3 and "box AP" in found["lines"][0]
    assert margins(read(other_sweep))["question"] == "Within 2 (angle error) of the dense control of the same seed?"
    none = read(made_three.make(tmp_path / "none", tasks=1))
    assert margins(none) == {"question": "", "lines": []}


def test_another_problems_page(other_sweep):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "PLOTS", {})
        found = Page(write_report(other_sweep).read_text(encoding="utf-8"))
    text = re.sub(r"\s+", " ", " ".join(found.text))
    assert not found.open
    for words in (
        "Holm over the 9 contrasts of this report", "lower is better: angle error", "digits: digit accuracy", "MMACs",
        "angles: taylor keeps more quality than random", "Within 2 (angle error) of the dense control",
    ):  # fmt: skip
        assert words in text
    for words in ("AP", "box", "mask", "proposal", "GMACs", "nan"):
        assert words not in text.split()


def test_a_page_of_a_single_curve_has_no_verdicts_and_no_empty_section(made_three, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "PLOTS", {})
    folder = made_three.make(tmp_path / "single", seeds=1, tasks=1, criteria=("l1",))
    page = Page(read(folder).report().read_text(encoding="utf-8"))
    anchors = {link[1:] for link in page.links if link.startswith("#")}
    assert anchors == {attrs["id"] for attrs in page.all("section")} == {"summary", "runs"}


def test_macs_have_a_unit_that_can_be_read():
    units = {macs: macs_unit(pd.DataFrame({"effective_macs": [macs]})) for macs in (3.8e8, 8e5, 2e4)}
    assert units == {3.8e8: ("GMACs", 1e-9), 8e5: ("MMACs", 1e-6), 2e4: ("kMACs", 1e-3)}


def test_failures_are_those_with_an_error(sweep):
    assert {run: error["last"] for run, error in failures(sweep).items()} == {
        "l2-0.5-s0-dead01": "UserError: the loss is <nan> & it diverged"
    }


def test_runs_of_the_same_machine_are_one_entry(made, tmp_path):
    folder = made.make(tmp_path / "two", seeds=4, criteria=("l1",), ratios=(0.5,), parts=False)
    found = machines(read(folder))
    assert sorted(len(one["runs"]) for one in found) == [3, 9]  # seed 3 had another machine
    facts = found[0]["facts"]
    assert facts["commit"] == "a481840" and facts["memory"] == "8 GiB" and facts["versions: keras"] == "3.15.1"
    assert facts["to"] == "2026-01-02T03:14:05Z"
    assert "versions: taskprune" not in facts and not any("recipe" in key for key in facts)


# Means and spreads


def test_summary_is_the_mean_and_standard_deviation_over_seeds(sweep):
    lines = summary(sweep.table, ["mask_iou", "no_such_column"])
    assert [line.stage for line in lines[:3]] == ["floor", "dense", "dense_control"]
    assert len(lines) == 3 + 2 * 2 * 2 + 1
    rows = sweep.table[(sweep.table["criterion"] == "random") & (sweep.table["stage"] == "removed")]
    values = rows.loc[rows["asked"] == 0.5, "mask_iou"]
    line = next(one for one in lines if (one.name, one.stage, one.asked) == ("random", "final", 0.5))
    assert (line.seeds, line.means["mask_iou"]) == (2, pytest.approx(values.mean()))
    assert line.spreads["mask_iou"] == pytest.approx(abs(values.iloc[0] - values.iloc[1]) / 2**0.5)
    assert figure(line, "mask_iou") == f"{values.mean():.3f} ± {values.std():.3f}"
    assert figure(line, "no_such_column") == ""


def test_one_seed_has_no_spread(made, tmp_path):
    folder = made.make(tmp_path / "one", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False, files=False)
    found = summary_table(read(folder))
    assert found["note"].startswith("One seed: no spread is known, and nothing is ranked.")
    assert not any("±" in cell for row in found["rows"] for cell in row)


def test_controls_with_other_training_have_lines_of_their_own(sweep):
    control = sweep.table[sweep.table["stage"] == "dense_control"]
    more = pd.concat([sweep.table, control.assign(retraining="rewind", run=control["run"] + "x")], ignore_index=True)
    texts = [line.stage_text for line in summary(more, ["mask_iou"]) if not line.name]
    assert texts[2:] == ["dense, same extra training: finetune", "dense, same extra training: rewind"]


def test_what_each_task_lost_comes_after_the_summary(made_three, tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "PLOTS", {})
    folder = made_three.make(tmp_path / "three", files=True)
    table = with_summary(pd.read_csv(folder / "runs.csv"), made_three.problem())
    table["churn_digit_lost"] = 0.25
    table.drop(columns="drop_colour").to_csv(folder / "runs.csv", index=False)  # no better than chance
    found = task_drops(read(folder))
    assert found["head"][:3] == ["drop: digits", "drop: angles", "worst task"]
    assert "churn: digit lost" in found["head"] and "multi-task Δ, %" in found["head"]
    taylor = next(row for row in found["rows"] if row[0].startswith("taylor"))
    random = next(row for row in found["rows"] if row[0].startswith("random"))
    assert float(taylor[1].split(" ")[0]) < float(random[1].split(" ")[0])
    assert "[" in taylor[1] and taylor[found["head"].index("churn: digit lost") + 1] == "0.250"
    values = {line.split(":")[0]: float(line.split(": ")[1].split(" ")[0]) for line in found["hypervolumes"]}
    assert values["taylor"] > values["random"]
    page = render(read(folder), Options())
    assert page.index("What each task lost") < page.index("What may be said")
