import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.errors import UserError
from experiments.table.claims.comparison import report, sides
from experiments.table.claims.margins import margins_question, within_margins
from experiments.table.claims.statistics import holm, interval, p_value, upper_bound
from experiments.table.claims.verdicts import Contrast, compare, compare_all, sentence, text
from experiments.table.selection import Selection, every_curve, select
from experiments.table.sweep_data import read

VALUES = [0.02, 0.05, -0.01, 0.04, 0.03]


@pytest.fixture(scope="module")
def sweep(made_sweep):
    return read(made_sweep)


@pytest.fixture(scope="module")
def table(sweep):
    return sweep.table


@pytest.fixture(scope="module")
def side(sweep):
    """Of a table of this problem: the runs that a selector stands for."""
    return lambda table, *words: select(dataclasses.replace(sweep, table=table), *words)


def contrast(mean, low, high, p, seeds):
    return Contrast("mask", "masks", dict.fromkeys(range(seeds), mean), mean, low, high, p, p)


# Statistics


def test_interval_by_hand():
    # mean 0.026; deviations -.006 .024 -.036 .014 .004: variance 0.00212 / 4, error 0.010296; t(4, 0.975) = 2.7764
    mean, low, high = interval(VALUES)
    assert (mean, low, high) == pytest.approx((0.026, 0.026 - 0.028585, 0.026 + 0.028585), abs=2e-5)


def test_interval_p_and_bound_are_scipys():
    random = np.random.default_rng(0)
    for count in (2, 3, 5, 20):
        a, b = random.normal(0, 1, (2, count))
        theirs = stats.ttest_rel(a, b)
        assert interval(a - b)[1:] == pytest.approx(tuple(theirs.confidence_interval(0.95)))
        assert p_value(a - b) == pytest.approx(theirs.pvalue)
        one_sided = stats.ttest_rel(a, b, alternative="less").confidence_interval(0.95)
        assert upper_bound(a - b) == pytest.approx(one_sided.high)


def test_one_value_has_no_interval_and_none_has_nothing():
    assert interval([0.3])[0] == 0.3 and all(math.isnan(limit) for limit in interval([0.3])[1:])
    assert math.isnan(p_value([0.3])) and math.isnan(upper_bound([0.3]))
    assert all(math.isnan(value) for value in interval([]))


def test_values_that_do_not_vary():
    assert p_value([0.0] * 5) == 1 and p_value([0.2] * 5) == 0
    assert interval([0.0] * 5) == (0, 0, 0)


def test_holm_by_hand():
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never less than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([0.04]) == [0.04]
    found = holm([0.01, math.nan, 0.02])  # what has no p is not in the family
    assert found[0] == pytest.approx(0.02) and math.isnan(found[1]) and found[2] == pytest.approx(0.02)


@pytest.mark.slow
def test_holm_is_between_no_correction_and_bonferronis():
    random = np.random.default_rng(1)
    for _ in range(20):
        p = random.uniform(size=4) ** 3
        adjusted = np.array(holm(p))
        assert (adjusted >= p).all() and (adjusted <= np.minimum(1, 4 * p) + 1e-12).all()
        assert adjusted[p.argmin()] == pytest.approx(min(1, 4 * p.min()))
        assert adjusted[p.argmin()] == adjusted.min()


def test_coverage_and_family_error_by_simulation(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # statsmodels collects garbage at every call
    random, covered, bounded, wrong = np.random.default_rng(2), 0, 0, 0
    rounds = 1500
    for _ in range(rounds):
        tasks = random.normal(0.1, 0.05, (4, 5))  # of 5 seeds
        _, low, high = interval(tasks[0])
        covered += low <= 0.1 <= high
        bounded += upper_bound(tasks[0]) >= 0.1
        wrong += min(holm([p_value(task - 0.1) for task in tasks])) < 0.05
    assert covered / rounds == pytest.approx(0.95, abs=0.02)
    assert bounded / rounds == pytest.approx(0.95, abs=0.02)
    assert 0.02 < wrong / rounds < 0.065


# Sides


def test_a_selector_stands_for_whole_network_runs_at_their_end(table, side):
    one = side(table, "l1")
    assert set(one.rows["stage"]) == {"removed"} and set(one.rows["part"]) == {"all"}
    assert len(one.rows) == 4 * 3
    assert side(table, "criterion=l1").rows.equals(one.rows)
    assert set(side(table, "l1,stage=pruned").rows["stage"]) == {"pruned"}
    assert set(side(table, "l1,stage=scratch").rows["retraining"]) == {"scratch"}
    assert set(side(table, "part=rpn").rows["asked"]) == {0.5}


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("tailor", "no finished run has criterion = 'tailor': did you mean 'taylor'"),
        ("l1,speed=3", "'speed=3' in 'l1,speed=3': expected column=value, with a column of model, criterion, arbiter"),
        ("l1,scope=global", "no finished run has scope = 'global': there is layer"),
        (
            "scope=layer",
            "stands for runs that differ .criterion: l1, random, taylor.; say which, as in scope",
        ),
    ],
)
def test_a_selector_that_is_none(table, selector, message, side):
    with pytest.raises(UserError, match=message):
        side(table, selector)


# Comparisons


def test_the_contrast_is_the_mean_over_ratios_of_the_difference_within_a_seed(table, side):
    found = compare(side(table, "l1"), side(table, "random"))
    assert (found.ratios, found.seeds, found.missing, found.same_dense) == ((0.25, 0.5, 0.75), (0, 1, 2, 3), (), True)
    mask = next(one for one in found.contrasts if one.task == "mask")
    by_seed = {}
    for seed in range(4):
        rows = table[table["seed"] == seed]
        low, high = (rows.loc[rows["stage"] == stage, "mask_iou"].item() for stage in ("floor", "dense"))
        of = {
            name: rows.loc[(rows["stage"] == "removed") & (rows["criterion"] == name) & (rows["part"] == "all")]
            for name in ("l1", "random")
        }
        difference = of["l1"]["mask_iou"].mean() - of["random"]["mask_iou"].mean()
        by_seed[seed] = difference / (high - low)
    assert mask.differences == pytest.approx(by_seed)
    assert mask.mean == pytest.approx(np.mean(list(by_seed.values())))
    p = [stats.ttest_1samp(list(one.differences.values()), 0).pvalue for one in found.contrasts]
    assert [one.p_holm for one in found.contrasts] == pytest.approx(holm(p))


def test_a_true_difference_is_found_and_turned_round_with_the_sides(table, side):
    there = compare(side(table, "taylor"), side(table, "random")).contrasts
    back = compare(side(table, "random"), side(table, "taylor")).contrasts
    for one, other in zip(there, back, strict=True):
        if one.task != "proposal":
            assert one.claimed and one.mean > 0
        assert one.mean == pytest.approx(-other.mean) and one.p_holm == pytest.approx(other.p_holm)


def test_the_same_side_twice_cannot_be_told_apart(table, side):
    found = compare(side(table, "l1"), side(table, "l1"))
    assert not any(one.claimed for one in found.contrasts)
    assert all("cannot be told apart: +0.000" in line for line in text(found)[1:])


def test_repeats_are_no_seeds(table, side):
    again = pd.concat([table, table.assign(run=table["run"] + "-r1")], ignore_index=True)
    found, once = (compare(side(t, "l1"), side(t, "random")) for t in (again, table))
    assert [one.differences for one in found.contrasts] == [pytest.approx(one.differences) for one in once.contrasts]


def test_seeds_that_lack_a_ratio_are_left_out_and_named(table, side):
    lost = table[~((table["criterion"] == "random") & (table["seed"] == 2) & (table["asked"] == 0.5))]
    found = compare(side(lost, "l1"), side(lost, "random"))
    assert (found.seeds, found.missing) == ((0, 1, 3), (2,))
    assert "Left out, as a side lacks them at one of the ratios: seed 2." in text(found)[-1]
    none = table[(table["criterion"] != "random") | (table["asked"] == 0.75)]
    assert compare(side(none, "l1"), side(none, "random")).ratios == (0.75,)


def test_nothing_in_common_is_a_users_error(table, side):
    ratios = table[~((table["criterion"] == "random") ^ (table["asked"] == 0.25)) | table["criterion"].isna()]
    with pytest.raises(UserError, match="l1 and random have no seed with all of their common ratios"):
        report(side(ratios, "l1"), side(ratios, "random"))


def test_unequal_costs_and_other_dense_models_are_said(table, side):
    dear = table.copy()
    dear.loc[dear["criterion"] == "random", "effective_macs"] *= 1.5
    assert any("they do not cost the same" in line for line in text(compare(side(dear, "l1"), side(dear, "random"))))
    other = table.assign(mask_iou=table["mask_iou"] + 0.01)
    lines = text(compare(side(table, "l1"), side(other, "l1", "other")))
    assert any("the dense models of the same seed differ" in line for line in lines)


# Words


def test_sentences_claim_what_may_be_claimed():
    names = ("l1", "random")
    assert sentence(contrast(0.12, 0.05, 0.19, 0.003, 5), names) == (
        "masks: l1 keeps more quality than random: +0.120 [+0.050, +0.190], Holm p = 0.003, 5 seeds."
    )
    assert "l1 keeps less quality than random: -0.120" in sentence(contrast(-0.12, -0.2, -0.1, 0.0002, 5), names)
    assert "Holm p < 0.001" in sentence(contrast(-0.12, -0.2, -0.1, 0.0002, 5), names)
    assert "cannot be told apart: +0.020 [-0.010, +0.050], Holm p = 0.110, 5 seeds" in sentence(
        contrast(0.02, -0.01, 0.05, 0.11, 5), names
    )


def test_few_seeds_claim_nothing_however_small_p_is():
    names = ("l1", "random")
    assert sentence(contrast(0.12, 0.11, 0.13, 0.0001, 3), names) == (
        "masks: 3 seeds are too few for a claim: l1 minus random is +0.120 [+0.110, +0.130]."
    )
    one = sentence(contrast(0.12, math.nan, math.nan, math.nan, 1), names)
    assert one == "masks: 1 seed: l1 minus random is +0.120; no interval, no claim."
    assert "nothing to compare" in sentence(contrast(math.nan, math.nan, math.nan, math.nan, 0), names)


def drops(table, problem, values, column="bbox_ap"):
    """A selection whose losses of a measure against its control are these, one a seed."""
    sign = 1 if problem.measures[column].higher_is_better is False else -1
    rows = pd.DataFrame({"seed": range(len(values)), "asked": 0.5, f"delta_{column}": [sign * v for v in values]})
    return Selection("l1", table, rows.assign(stage="removed"), problem)


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ([0.001, 0.003, 0.002, 0.002, 0.002], "box AP yes (loss 0.002, at most 0.003)"),
        ([0.001, 0.02, 0.002, 0.012, 0.005], "box AP not shown (loss 0.008, at most 0.016)"),  # a mean is not enough
        ([0.03, 0.031, 0.029, 0.03, 0.03], "box AP not shown (loss 0.030, at most 0.031)"),
        ([0.001, 0.001, 0.001], "box AP loss 0.001, too few seeds for a claim"),
    ],
)
def test_within_the_margin_only_where_the_bound_says_so(sweep, values, answer):
    [line] = within_margins(drops(sweep.table, sweep.problem, values))
    assert line == f"l1, 50%, {len(values)} seeds: {answer}."
    if len(values) > 3:
        bound = stats.ttest_1samp(values, 0, alternative="less").confidence_interval(0.95).high
        assert ("yes" in line) == (bound < 0.01)
    assert margins_question(sweep.problem) == "Within 0.01 (box AP, mask AP) of the dense control of the same seed?"


def test_a_loss_of_a_measure_that_is_better_when_lower_is_what_it_rises(made_three, table):
    problem = made_three.problem()
    [line] = within_margins(drops(table, problem, [0.5, 0.7, 0.6, 0.6], "angle_error"))
    assert line == "l1, 50%, 4 seeds: angle error yes (loss 0.6, at most 0.7)."
    [line] = within_margins(drops(table, problem, [-3, -3.5, -4, -2.5], "angle_error"))
    assert "yes (loss -3.2" in line
    [line] = within_margins(drops(table, problem, [3, 3.5, 4, 2.5], "angle_error"))
    assert "not shown" in line


# One family for everything that a text says


def test_a_report_is_corrected_over_all_its_contrasts(sweep):
    curves = every_curve(sweep)
    assert [one.name for one in curves] == ["l1", "taylor", "random"]
    pairs = [(curves[0], curves[1]), (curves[0], curves[2]), (curves[1], curves[2])]
    found = compare_all(pairs)
    p = [contrast.p for one in found for contrast in one.contrasts]
    assert len(p) == 12 and [one.family for one in found] == [12, 12, 12]
    order = sorted(range(12), key=p.__getitem__)
    largest, expected = 0.0, {}
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (12 - rank) * p[place]))
        expected[place] = largest
    adjusted = [contrast.p_holm for one in found for contrast in one.contrasts]
    assert adjusted == pytest.approx([expected[place] for place in range(12)])
    alone = [contrast for pair in pairs for contrast in compare(*pair).contrasts]
    assert all(one.p == other for one, other in zip(alone, p, strict=True))
    assert all(together >= one.p_holm for together, one in zip(adjusted, alone, strict=True))
    assert "Holm over the 12 contrasts of this report." in text(found[0])[0]
    assert "Holm over the 4 contrasts of this comparison." in text(compare(*pairs[0]))[0]


def test_a_family_by_hand(sweep):
    # Two pairs whose p are .010 .030 .040 .045 and .005 .020 .200 .800: sorted times 8 7 6 5 4 3 2 1 is
    # .040 .070 .120 .150 .160 .135 .400 .800, and never less than the one before.
    def values(p):
        """Five differences with mean 1 whose paired t test gives p."""
        spread = np.array([-1.0, -0.5, 0, 0.5, 1.0])
        return 1 + spread * math.sqrt(5) / stats.t.isf(p / 2, 4) / spread.std(ddof=1)

    def selection(name, by_task):
        """Runs at one ratio whose normalised quality is the given values, a seed each."""
        rows, column = [], sweep.problem.primary
        for seed in range(5):
            for stage, level in (("floor", 0.0), ("dense", 1.0)):
                rows.append({"stage": stage, "seed": seed, **dict.fromkeys(column.values(), level)})
            qualities = {column[task]: found[seed] for task, found in by_task.items()}
            rows.append({"stage": "finetuned", "seed": seed, "asked": 0.5, **qualities})
        table = pd.DataFrame(rows)
        return Selection(name, table, table[table["stage"] == "finetuned"], sweep.problem)

    tasks = list(sweep.problem.primary)
    zero = selection("zero", dict.fromkeys(tasks, np.zeros(5)))
    first = selection("a", dict(zip(tasks, map(values, (0.010, 0.030, 0.040, 0.045)), strict=True)))
    second = selection("b", dict(zip(tasks, map(values, (0.005, 0.020, 0.200, 0.800)), strict=True)))
    a, b = compare_all([(first, zero), (second, zero)])
    assert [one.p_holm for one in a.contrasts] == pytest.approx([0.070, 0.150, 0.160, 0.160])
    assert [one.p_holm for one in b.contrasts] == pytest.approx([0.040, 0.120, 0.400, 0.800])
    assert [one.claimed for one in (*a.contrasts, *b.contrasts)] == [False] * 4 + [True] + [False] * 3
    alone = compare(first, zero)
    assert [one.p_holm for one in alone.contrasts] == pytest.approx([0.040, 0.090, 0.090, 0.090])


def test_a_contrast_without_a_p_is_not_in_the_family(made, tmp_path, sweep):
    one = read(made.make(tmp_path / "one", seeds=1, criteria=("l1", "random"), ratios=(0.5,), files=False))
    pair, single = tuple(every_curve(sweep)[:2]), tuple(every_curve(one))
    found = compare_all([pair, single])
    assert [comparison.family for comparison in found] == [4, 4]
    assert all(math.isnan(contrast.p_holm) for contrast in found[1].contrasts)
    assert "Holm" not in text(compare(*single))[0]


def test_sweeps_of_problems_without_a_common_task_are_not_compared(sweep, other_sweep):
    with pytest.raises(UserError, match="no task in common: bbox_refined_iou, .* against digit_accuracy"):
        compare(select(sweep, "l1"), select(read(other_sweep), "l1"))


def test_less_error_is_more_quality(other_sweep):
    found = read(other_sweep).verdict("taylor", "random")
    angle = next(one for one in found.contrasts if one.task == "angle")
    assert angle.mean > 0 and angle.claimed
    assert "angles: taylor keeps more quality than random" in found.text and str(found) == found.text
    assert "Holm over the 3 contrasts of this comparison" in found.text
    assert "Within 2 (angle error) of the dense control of the same seed?" in found.text


# The command


def test_the_command_compares_criteria_and_sweeps(made_sweep, made, tmp_path):
    lines = report(*sides((str(made_sweep), "l1", "random")))
    assert "l1 minus random" in lines[0] and "mean over 25%, 50%, 75%" in lines[0]
    assert len([line for line in lines if "4 seeds" in line]) == 4 + 2 * 3
    other = made.make(tmp_path / "other", seeds=1, criteria=("l1",), ratios=(0.5,), files=False)
    lines = report(*sides((str(made_sweep), str(other)), only="l1"))
    assert "shapes minus other" in lines[0]
    assert all("no interval, no claim" in line for line in lines[1:5])


def test_the_command_says_what_it_wants(made_sweep):
    with pytest.raises(UserError, match="two selectors"):
        sides((str(made_sweep),))
    with pytest.raises(UserError, match="runs.csv cannot be read"):
        sides((str(made_sweep), "nowhere"))
