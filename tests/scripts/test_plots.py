import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

import reading
from command import UserError
from curves import final, whole
from maskrcnn import Detections
from plot import draw, drawings
from plots import Options, Skip, pictures, tide, tradeoff, widths
from settings import DataSettings
from style import COLOURS, pyplot


@pytest.fixture(scope="module")
def sweep(made_sweep):
    return reading.read(made_sweep)


@pytest.fixture(scope="module")
def drawn(sweep):
    """Every figure of the made-up sweep, and what was left out."""
    skipped = []
    figures = list(drawings(sweep, Options(), skipped.append))
    for one in figures:
        one.figure.set_dpi(60)
        one.figure.draw_without_rendering()
    yield figures, skipped
    pyplot.close("all")


# The plots


def test_every_plot_is_drawn(drawn):
    figures, skipped = drawn
    assert [one.name for one in figures] == [
        "tradeoff", "tradeoff_delta", "tradeoff_end_to_end", "tradeoff_end_to_end_delta", "tasks", "pareto", "parts",
        "prediction", "tide", "widths", "schedule", "weights",
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
            for axis in one.figure.axes:
                assert not box.overlaps(axis.get_tightbbox()), one.name


def test_files_are_png_and_svg(made, tmp_path, monkeypatch):
    monkeypatch.setitem(pyplot.rcParams, "savefig.dpi", 50)
    folder = made.make(tmp_path / "few", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False, files=False)
    said = []
    paths = draw(folder, say=said.append)
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
        "pictures": "the dense model of seed 0 is not there (git does not keep model.keras)",
    }


def test_a_sweep_that_has_only_a_dense_model_has_no_plot_and_no_error(made, tmp_path):
    folder = made.make(tmp_path / "begun", seeds=1, criteria=(), parts=False, files=False)
    table = pd.read_csv(folder / "runs.csv").dropna(axis="columns", how="all")
    table.to_csv(folder / "runs.csv", index=False)
    said = []
    assert draw(folder, say=said.append) == []
    assert len(said) == 10


def test_a_cost_that_the_table_lacks_is_said(made, tmp_path):
    folder = made.make(tmp_path / "untimed", seeds=1, parts=False, files=False)
    table = pd.read_csv(folder / "runs.csv").drop(columns=["latency_ratio"])
    table.to_csv(folder / "runs.csv", index=False)
    with pytest.raises(Skip, match="no latency_ratio"):
        tradeoff.plot(reading.read(folder), Options(cost="latency"))


def test_latency_is_drawn_where_it_was_measured(sweep):
    figure = tradeoff.Curves(sweep, Options(cost="latency")).absolute(list(tradeoff.ISOLATED[:1]), "timed")
    axis = figure.axes[0]
    assert axis.get_xlabel() == "measured latency left"
    ends = whole(final(sweep.table))
    l1 = ends[(ends["criterion"] == "l1")].groupby("asked")["latency_ratio"].mean()
    drawn_x = [line.get_xdata() for line in axis.lines if line.get_color() == COLOURS[0]]
    assert any(np.allclose(x, [1.0, *1 / l1]) for x in drawn_x)
    pyplot.close("all")


def test_a_ratio_or_seed_that_is_not_there_is_said(sweep):
    with pytest.raises(Skip, match=r"no run at ratio 0.3; there are 0.25, 0.5, 0.75"):
        tide.plot(sweep, Options(ratio=0.3))
    with pytest.raises(Skip, match=r"no run of seed 9; there are 0, 1, 2, 3"):
        widths.plot(sweep, Options(seed=9))


def test_a_folder_without_a_sweeps_table_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="runs.csv cannot be read"):
        draw(tmp_path)
    (tmp_path / "runs.csv").write_text("run,method\na,l1\n")
    with pytest.raises(UserError, match="no column stage, seed"):
        draw(tmp_path)


# Pictures


@pytest.fixture
def pictured(made, tmp_path):
    """A sweep of one pruned run whose models are there, as files that are none."""
    folder = made.make(tmp_path / "pictured", seeds=1, criteria=("l1",), ratios=(0.5,), parts=False)
    for run in ("dense-s0-0a1b2c", "l1-0.5-s0-9f3e21"):
        (folder / "runs" / run / "model.keras").write_text("")
    return reading.read(folder)


class Seer:
    """A model that finds one square in every picture."""

    def detect(self, image, score_threshold):
        masks = np.zeros((1, *image.shape[:2]), bool)
        masks[0, 10:20, 10:20] = True
        return Detections(np.array([[10.0, 10, 20, 20]]), np.array([1]), np.array([0.9]), masks)


def test_the_same_picture_beside_each_other(pictured, monkeypatch):
    monkeypatch.setattr(pictures, "saved_model", lambda path: Seer())
    [found] = pictures.plot(pictured, Options(count=2))
    titles = [axis.get_title("left") for axis in found.figure.axes]
    assert titles == 2 * ["truth", "dense", "l1, 50%\n29% of the MACs"]
    assert (canvas(found, 0) != 225).any(axis=-1).mean() > 0.9
    [found] = pictures.plot(pictured, Options(count=1, photo=False))
    for number in range(3):
        assert (canvas(found, number) == 225).all(axis=-1).mean() > 0.3
    assert "plain grey" in found.caption
    pyplot.close("all")


def canvas(drawn, number):
    return np.asarray(drawn.figure.axes[number].images[0].get_array())


def test_photographs_are_not_shown_unless_asked(pictured, monkeypatch):
    monkeypatch.setattr(pictures, "saved_model", lambda path: Seer())
    shapes = pictures.dataset(DataSettings(size=64, test_count=6), "test")
    monkeypatch.setattr(pictures, "dataset", lambda data, split: shapes)
    (pictured.folder / "recipe.yaml").write_text("data: {kind: via, test: photos}\n")
    shown = {photo: pictures.plot(pictured, Options(count=1, photo=photo))[0] for photo in (None, True)}
    assert (canvas(shown[None], 0) == 225).all(axis=-1).mean() > 0.3
    assert (canvas(shown[True], 0) != 225).any(axis=-1).mean() > 0.9
    pyplot.close("all")


def test_a_broken_file_spoils_its_own_plot_only(pictured, monkeypatch):
    monkeypatch.setattr("plot.PLOTS", {"widths": widths.plot, "pictures": pictures.plot, "tide": tide.plot})
    (pictured.folder / "runs" / "l1-0.5-s0-9f3e21" / "plan.json").write_text("{}")
    said = []
    assert [one.name for one in drawings(pictured, Options(), said.append)] == ["tide"]
    assert "plan.json is not a pruning plan" in said[0] and "model.keras cannot be read as a model" in said[1]
    pyplot.close("all")


def test_a_lost_recipe_or_picture_is_said(pictured):
    (pictured.folder / "recipe.yaml").write_text("data: {kind: via, test: nowhere-at-all}\n")
    with pytest.raises(Skip, match="the pictures cannot be read: data 'nowhere-at-all' does not exist"):
        pictures.plot(pictured, Options())
    (pictured.folder / "recipe.yaml").unlink()
    with pytest.raises(Skip, match="the recipe cannot be read"):
        pictures.plot(pictured, Options())
