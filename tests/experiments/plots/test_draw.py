import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.text import Text

from experiments.errors import UserError
from experiments.plots import Options, Skip, breakdowns, draw, examples, part_maps, tradeoff, widths
from experiments.plots.draw import draw as draw_all
from experiments.plots.draw import drawings
from experiments.plots.elements.style import COLOURS, looks
from experiments.table.sweep_data import read
from experiments.table.task_curves import whole_network_ends


@pytest.fixture(scope="module")
def sweep(made_sweep):
    return read(made_sweep)


@pytest.fixture(scope="module")
def drawn(sweep):
    """Every figure of the made-up sweep, and what was left out."""
    skipped = []
    figures = list(drawings(sweep, Options(), skipped.append))
    for one in figures:
        one.figure.set_dpi(60)
        one.figure.draw_without_rendering()
    return figures, skipped


# The plots


def test_every_plot_is_drawn(drawn):
    figures, skipped = drawn
    assert [one.name for one in figures] == [
        "tradeoff", "tradeoff_delta", "tradeoff_end_to_end", "tradeoff_end_to_end_delta", "tasks", "pareto", "parts",
        "prediction", "tide", "classes", "widths", "schedule", "weights",
    ]  # fmt: skip
    assert [line.split(":")[0] for line in skipped] == ["pictures"]
    assert "dense model of seed 0 is not there" in skipped[0]
    assert all(one.caption.endswith(".") and one.title for one in figures)


def texts(figure):
    """Every text that is drawn: ticks outside of an axis' limits have labels that are not."""
    hidden = set()
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not min(limits) <= tick.get_loc() <= max(limits):
                    hidden |= {tick.label1, tick.label2}
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in found if text not in hidden]


def test_no_label_is_cut_off_and_none_is_nan(drawn):
    for one in drawn[0]:
        edge = one.figure.bbox.padded(2)
        labels_shown = texts(one.figure)
        assert len(labels_shown) > 10
        for text in labels_shown:
            assert "nan" not in text.get_text().lower().split(), (one.name, text.get_text())
            box = text.get_window_extent()
            if box.width and box.height:
                assert edge.x0 < box.x0 and box.x1 < edge.x1, (one.name, text.get_text())
                assert edge.y0 < box.y0 and box.y1 < edge.y1, (one.name, text.get_text())


def test_legends_lie_on_nothing(drawn):
    for one in drawn[0]:
        for legend in one.figure.legends:
            box = legend.get_window_extent()
            for axis in filter(lambda axis: axis.get_visible(), one.figure.axes):
                assert not box.overlaps(axis.get_tightbbox()), one.name


def test_files_are_png_and_svg(made, tmp_path, monkeypatch):
    monkeypatch.setitem(pyplot.rcParams, "savefig.dpi", 50)
    folder = made.make(tmp_path / "few", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False, files=False)
    said = []
    paths = draw_all(folder, say=said.append)
    assert {path.suffix for path in paths} == {".png", ".svg"}
    assert {path.stem for path in paths} == {
        "tradeoff", "tradeoff_delta", "tradeoff_end_to_end", "tradeoff_end_to_end_delta", "tasks", "tide",
    }  # fmt: skip
    for path in paths:
        data = path.read_bytes()
        assert len(data) > 8_000
        assert data.startswith(b"\x89PNG") if path.suffix == ".png" else b"<svg" in data[:600]
    reasons = dict(line.split(": left out: ") for line in said)
    assert reasons == {
        "pareto": "a front wants at least two finished settings beside the dense model",
        "parts": "every run prunes the whole network; list parts in grid.part to prune one at a time",
        "prediction": "fewer than three runs have a row right after pruning and one after fine-tuning",
        "widths": "no run at 50% of seed 0 has a plan.json",
        "schedule": "no run of seed 0 has a history.csv with losses of two epochs or more",
        "weights": "no run at 50% of seed 0 has a histograms.json",
        "classes": "no run kept measures of single classes, or its reference did not",
        "pictures": "the dense model of seed 0 is not there (git does not keep model.keras)",
    }


def test_a_sweep_that_has_only_a_dense_model_has_no_plot_and_no_error(made, tmp_path):
    folder = made.make(tmp_path / "begun", seeds=1, criteria=(), parts=False, files=False)
    table = pd.read_csv(folder / "runs.csv").dropna(axis="columns", how="all")
    table.to_csv(folder / "runs.csv", index=False)
    said = []
    assert draw_all(folder, say=said.append) == []
    assert len(said) == 11


def test_a_cost_that_the_table_lacks_is_said(made, tmp_path):
    folder = made.make(tmp_path / "untimed", seeds=1, parts=False, files=False)
    table = pd.read_csv(folder / "runs.csv").drop(columns=["latency_ratio"])
    table.to_csv(folder / "runs.csv", index=False)
    with pytest.raises(Skip, match="no latency_ratio"):
        tradeoff.plot(read(folder), Options(cost="latency"))


def test_latency_is_drawn_where_it_was_measured(sweep):
    panels = tradeoff.kinds(sweep.problem)[0].panels[:1]
    figure = tradeoff.Curves(sweep, Options(cost="latency")).absolute(panels, "timed")
    axis = figure.axes[0]
    assert axis.get_xlabel() == "measured latency left"
    ends = whole_network_ends(sweep.table)
    l1 = ends[(ends["criterion"] == "l1")].groupby("asked")["latency_ratio"].mean()
    drawn_x = [line.get_xdata() for line in axis.lines if line.get_color() == COLOURS[0]]
    assert any(np.allclose(x, [1.0, *1 / l1]) for x in drawn_x)


def test_a_ratio_or_seed_that_is_not_there_is_said(sweep):
    with pytest.raises(Skip, match=r"no run at ratio 0.3; there are 0.25, 0.5, 0.75"):
        breakdowns.plot(sweep, Options(ratio=0.3))
    with pytest.raises(Skip, match=r"no run of seed 9; there are 0, 1, 2, 3"):
        widths.plot(sweep, Options(seed=9))


def test_a_folder_without_a_sweeps_table_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="runs.csv cannot be read"):
        draw_all(tmp_path)
    (tmp_path / "runs.csv").write_text("run,method\na,l1\n")
    with pytest.raises(UserError, match="no column stage, seed"):
        draw_all(tmp_path)
    (tmp_path / "runs.csv").write_text("run,stage,seed\na,dense,0\n")
    with pytest.raises(UserError, match="problem.json is not there"):
        draw_all(tmp_path)


# Pictures


@pytest.fixture
def pictured(made, tmp_path):
    """A sweep of one pruned run whose models are there, as files that are none."""
    folder = made.make(tmp_path / "pictured", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False)
    for run in ("dense-s0-0a1b2c", "l1-0.5-s0-9f3e21"):
        (folder / "runs" / run / "model.keras").write_text("")
    return read(folder)


class Shown:
    """A problem that shows every network's name as a grey square."""

    def __init__(self, shows=True):
        self.shows, self.asked = shows, []

    def load(self, path):
        return path.parent.name

    def show(self, models, count, photographs):
        self.asked.append((models, count, photographs))
        titles = ["truth", *models]
        return [[(title, np.full((8, 8, 3), 99, np.uint8)) for title in titles]] * count if self.shows else None


@pytest.fixture
def shown(monkeypatch):
    """Settings of Shown -> it, as what every recipe opens."""

    def make(**settings):
        problem = Shown(**settings)
        monkeypatch.setattr("experiments.lookup.open_problem", lambda recipe: problem)
        return problem

    return make


def test_the_same_picture_beside_each_other(pictured, shown):
    problem = shown()
    [found] = examples.plot(pictured, Options(count=2))
    titles = [axis.get_title("left") for axis in found.figure.axes]
    assert titles == 2 * ["truth", "dense", "l1, 50%\n29% of the MACs"]
    assert problem.asked == [
        ({"dense": "dense-s0-0a1b2c", "l1, 50%\n29% of the MACs": "l1-0.5-s0-9f3e21"}, 2, True)
    ]
    assert np.asarray(found.figure.axes[0].images[0].get_array()).max() == 99


@pytest.mark.parametrize(
    ("photographs", "credit", "photo", "expected", "caption"),
    [
        (False, None, None, True, "makes of them."),
        (False, None, False, False, "plain grey"),
        (True, None, None, False, "plain grey"),
        (True, "Pictures: A. Person, CC BY 4.0", None, True, "Pictures: A. Person, CC BY 4.0."),
        (True, "Pictures: A. Person", False, False, "plain grey"),
        (True, None, True, True, "makes of them."),
    ],
)
def test_photographs_are_shown_where_they_may_be(pictured, shown, photographs, credit, photo, expected, caption):
    problem = shown()
    with open(pictured.folder / "recipe.yaml", "a", encoding="utf-8") as recipe:
        recipe.write(f"credit: {json.dumps(credit)}\n")
    declared = dataclasses.replace(pictured.problem, photographs=photographs)
    [found] = examples.plot(dataclasses.replace(pictured, problem=declared), Options(count=1, photo=photo))
    assert caption in found.caption and found.figure
    assert problem.asked[0][1:] == (1, expected)


def test_a_problem_that_shows_nothing_is_said(pictured, shown):
    shown(shows=False)
    said = []
    found = [one.name for one in drawings(pictured, Options(), said.append)]
    assert "pictures" not in found and "pictures: left out: the problem shows no pictures" in said
    with pytest.raises(UserError, match="pictures cannot be drawn: the problem shows no pictures"):
        pictured.plot("pictures")


def test_a_broken_file_spoils_its_own_plot_only(pictured, shown, monkeypatch):
    def load(path):
        raise UserError(f"{path} cannot be read as a model")

    shown().load = load
    monkeypatch.setattr(
        draw, "PLOTS", {"widths": widths.plot, "pictures": examples.plot, "breakdowns": breakdowns.plot}
    )
    plan = pictured.folder / "runs" / "l1-0.5-s0-9f3e21" / "plan.json"
    plan.write_text("{}")
    said = []
    assert [one.name for one in drawings(pictured, Options(), said.append)] == ["tide"]
    assert "plan.json is not a pruning plan" in said[0] and "model.keras cannot be read as a model" in said[1]
    plan.write_text('{"groups": {"a": {"size": 4, "removed": [1, 4]}}}')
    with pytest.raises(UserError, match=r"not a pruning plan: group 'a' has 4 channels, and removes \(1, 4\)"):
        pictured.plan("l1-0.5-s0-9f3e21")


def test_a_lost_recipe_is_said(pictured, monkeypatch):
    def lost(path):
        raise UserError(f"{path} names no problem")

    monkeypatch.setattr("experiments.lookup.open_problem", lost)
    with pytest.raises(Skip, match="the pictures cannot be shown: .*recipe.yaml names no problem"):
        _ = examples.plot(pictured, Options())[0].figure
    (pictured.folder / "recipe.yaml").unlink()
    with pytest.raises(Skip, match="the recipe cannot be read: .*recipe.yaml"):
        examples.plot(pictured, Options())


# One figure by its name


def test_a_figure_by_its_name(sweep):
    assert sweep.kinds == [
        "tradeoff", "tradeoff_delta", "tradeoff_end_to_end", "tradeoff_end_to_end_delta", "tasks", "pareto", "parts",
        "prediction", "tide", "classes", "widths", "schedule", "weights",
    ]  # fmt: skip
    figure = sweep.plot("tradeoff", cost="latency")
    assert [axis.get_xlabel() for axis in figure.axes] == ["measured latency left"] * 4
    assert not pyplot.get_fignums()  # nothing that a user would have to close


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("trade", {}, "there is no figure 'trade'; of shapes there are tradeoff, tradeoff_delta, .*, weights"),
        ("pictures", {}, "pictures cannot be drawn: the dense model of seed 0 is not there"),
        ("tide", {"ratio": 0.3}, "tide cannot be drawn: no run at ratio 0.3; there are 0.25, 0.5, 0.75"),
        ("widths", {"seed": 9}, "widths cannot be drawn: no run of seed 9"),
        ("tasks", {"colour": 1}, "no plot has the option colour; there are cost, band, ratio, seed"),
        ("tasks", {"cost": "time"}, "plots have no cost 'time'; there are macs, params, latency, bytes"),
    ],
)
def test_a_figure_that_cannot_be_drawn_is_a_users_error(sweep, kind, options, message):
    with pytest.raises(UserError, match=message):
        sweep.plot(kind, **options)


# Another problem


@pytest.fixture(scope="module")
def other(other_sweep):
    return read(other_sweep)


@pytest.fixture(scope="module")
def others(other):
    """Every figure of the other problem's sweep, and what was left out."""
    skipped = []
    figures = list(drawings(other, Options(), skipped.append))
    for one in figures:
        one.figure.set_dpi(60)
        one.figure.draw_without_rendering()
    return figures, skipped


def test_another_problem_has_every_plot_that_it_can(others):
    figures, skipped = others
    assert [one.name for one in figures] == [
        "tradeoff", "tradeoff_delta", "tasks", "pareto", "prediction", "widths", "schedule", "weights",
    ]  # fmt: skip
    assert [line.split(": left out: ")[1].split(";")[0] for line in skipped] == [
        "every run prunes the whole network", "the problem declares no breakdown of its measures",
        "no run kept measures of single classes, or its reference did not",
        "the dense model of seed 0 is not there (git does not keep model.keras)",
    ]  # fmt: skip


def test_lower_is_better_is_said_and_is_more_quality(other):
    labels = [axis.get_ylabel().replace("\n", " ") for axis in other.plot("tradeoff_delta").axes]
    assert labels == ["Δ digit accuracy", "Δ mean error of the angle, degrees (lower is better)", "Δ colours: accuracy"]
    points = other.plot("tasks").axes[0].lines
    ends = [line.get_ydata()[-1] for line in points if len(line.get_xdata()) == 3]
    assert ends == sorted(ends, reverse=True) and all(0 < end < 1 for end in ends)  # angles between the two others


SOME = [pytest.param(count, marks=pytest.mark.slow) for count in (2, 5)]


@pytest.mark.parametrize("tasks", [1, *SOME, 8])
def test_any_number_of_tasks_has_its_panels_and_no_label_cut_off(made_three, tmp_path, tasks):
    sweep = read(made_three.make(tmp_path / "some", seeds=2, tasks=tasks, files=True))
    said = []
    figures = list(drawings(sweep, Options(), said.append))
    assert len(figures) == 8, said
    for one in figures:
        one.figure.set_dpi(60)
        one.figure.draw_without_rendering()
    by_name = {one.name: one.figure for one in figures}
    for name, panels in (("tradeoff", tasks), ("prediction", tasks), ("pareto", tasks + (tasks > 1)), ("tasks", 3)):
        assert sum(axis.get_visible() for axis in by_name[name].axes) == panels
    test_no_label_is_cut_off_and_none_is_nan((figures, said))
    test_legends_lie_on_nothing((figures, said))


def test_labels_and_legends_of_another_problem(others):
    test_no_label_is_cut_off_and_none_is_nan(others)
    test_legends_lie_on_nothing(others)


def test_drawing_loads_no_network():
    code = "import sys, experiments.plots.draw, experiments.report.page, experiments.table.table_files, "
    code += "experiments.table.claims.comparison, experiments.table.claims.noise; "
    code += "print({'tensorflow', 'keras', 'maskrcnn', 'pruning', 'statsmodels'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_many_curves_share_a_criterions_colour_and_no_two_look_alike():
    settings = ["global", "layer"]
    curves = [f"{one}, {scope}" for one in ("l1", "group_l1", "taylor") for scope in settings]
    assert len({look.colour for look in looks(curves).values()}) == 6  # a colour each, while there are enough
    many = [*curves, "random, global", "random, layer"]
    found = looks(many)
    assert len({(look.colour, look.marker) for look in found.values()}) == len(many)
    assert {found[name].colour for name in many if name.startswith("l1")} == {COLOURS[0]}
    assert found["random, global"].colour == found["random, layer"].colour not in COLOURS
    assert found["l1, global"].marker == found["taylor, global"].marker != found["taylor, layer"].marker


def test_parts_that_are_not_fine_tuned_stand_in_the_map_of_those_that_are(sweep):
    alone = sweep.table[sweep.table["part"].isin(["rpn", "fpn"]) & sweep.table["stage"].eq("pruned")]
    short = alone.assign(run=alone["run"] + "n", retraining="none", asked=0.9)
    table = pd.concat([sweep.table, short, short.assign(stage="recalibrated")], ignore_index=True)
    (one,) = part_maps.plot(dataclasses.replace(sweep, table=table), Options())
    titles = [axis.get_title(loc="left") for axis in one.figure.axes if axis.get_title(loc="left")]
    assert {title.partition(", ")[2] for title in titles} == {
        "right after pruning", "batch norms mended", "after fine-tuning"
    }  # fmt: skip
    texts = {axis.get_title(loc="left"): [text.get_text() for text in axis.texts] for axis in one.figure.axes}
    assert set(texts["90%, after fine-tuning"]) == {"–"} != set(texts["90%, batch norms mended"])


def test_patterns_stand_below_the_declared_part_that_they_lie_in(sweep):
    found = ["rpn", "zoo", "features/res3.*", "fpn", "features/res2.*", "features", "features/fpn_output.*"]
    assert sweep.problem.parts_in_order(found) == [
        "features", "features/res2.*", "features/res3.*", "fpn", "features/fpn_output.*", "rpn", "zoo",
    ]  # fmt: skip
