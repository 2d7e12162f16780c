"""Arbiters on literal scores."""

import json

import numpy as np
import pytest

import pruning
from pruning.scores.arbiters import ranks

NAN = np.nan
# Two groups; `left` does not reach the second, `right` not the first channel of the first.
TABLE = {"left": [[1.0, 2.0, 4.0], [NAN, NAN]], "right": [[NAN, 3.0, 1.0], [2.0, 5.0]]}


def scores(table, fingerprint="f", **settings):
    return {
        task: pruning.Scores(
            dict(zip(("a", "b"), map(np.array, rows), strict=True)), "Some", fingerprint, {"task": task, **settings}
        )
        for task, rows in table.items()
    }


def merged(arbiter, table=TABLE):
    found = arbiter(scores(table))
    return np.concatenate([found["a"], found["b"]]).tolist()


def test_ranks_are_shares_of_lower_scores():
    found = ranks(np.array([[5.0, 1.0, NAN, 1.0, 3.0], [NAN, NAN, 7.0, NAN, NAN]]))
    np.testing.assert_array_equal(found, [[1, 0, NAN, 0, 2 / 3], [NAN, NAN, 0, NAN, NAN]])


def test_who_does_not_reach_does_not_vote():
    assert merged(pruning.WeightedSum()) == [1, 2.5, 2.5, 2, 5]
    assert merged(pruning.WeightedSum({"left": 3, "right": 1})) == [1, 2.25, 3.25, 2, 5]
    assert merged(pruning.Union()) == pytest.approx([0, 2 / 3, 1, 1 / 3, 1])
    assert merged(pruning.MeanRank()) == pytest.approx([0, (1 / 2 + 2 / 3) / 2, 1 / 2, 1 / 3, 1])


def test_a_sum_counts_who_wants_a_channel_and_a_mean_does_not():
    assert merged(pruning.Sum()) == [1, 5, 5, 2, 5]
    assert merged(pruning.Sum({"left": 3, "right": 1})) == [3, 9, 13, 2, 5]
    assert merged(pruning.Mean()) == merged(pruning.WeightedSum()) == [1, 2.5, 2.5, 2, 5]
    weighted = {"left": 3, "right": 1}
    assert merged(pruning.Mean(weighted)) == merged(pruning.WeightedSum(weighted)) == [1, 2.25, 3.25, 2, 5]
    with pytest.raises(ValueError, match="no task votes on channels of 'b'"):
        pruning.Sum({"left": 1.0, "right": 0.0})(scores(TABLE))


@pytest.mark.parametrize("arbiter", [pruning.Sum(), pruning.Mean(), pruning.Union(), pruning.MeanRank()])
def test_silent_channels_have_no_part_in_ranks_and_come_last(arbiter):
    """A task with many silent channels would else rank all that live higher than another task does."""
    silent = {"a": np.array([True, False, True]), "b": np.array([False, False])}
    table = {"left": [[0.0, 2.0, 0.0], [-1.0, 3.0]], "right": [[0.0, NAN, 0.0], [2.0, 5.0]]}
    by_task = {
        task: pruning.Scores({"a": np.array(a), "b": np.array(b)}, "Some", "f", {}, silent)
        for task, (a, b) in table.items()
    }
    found = arbiter(by_task)
    alone = arbiter(scores({task: [a[1:2], b] for task, (a, b) in table.items()}))
    assert found["a"][1] == alone["a"][0] and found["b"].tolist() == alone["b"].tolist()
    assert found["a"][0] == found["a"][2] <= min(found["a"][1], *found["b"]) and found.silent == silent


def test_scores_of_one_criterion_are_no_mapping_of_tasks():
    with pytest.raises(TypeError, match=r"Union joins \{task: Scores\}.*criterion.by_task\(graph\)"):
        pruning.Union()(scores(TABLE)["left"])


def test_one_task_is_its_own_order():
    table = {"only": [[0.5, 0.1, 0.4], [0.2, 0.3]]}
    assert merged(pruning.WeightedSum(), table) == [0.5, 0.1, 0.4, 0.2, 0.3]
    for arbiter in (pruning.Union(), pruning.MeanRank()):
        assert merged(arbiter, table) == [1, 0, 0.75, 0.25, 0.5]


def test_union_keeps_what_is_in_the_top_of_any_task():
    """DiSparse's rule: keep a weight if any task's own global top-k holds it."""
    generator = np.random.default_rng(0)
    drawn = generator.random((3, 40))
    union = np.array(merged(pruning.Union(), {str(t): [row[:30], row[30:]] for t, row in enumerate(drawn)}))
    for keep in range(1, 40):
        tops = np.zeros(40, dtype=bool)
        for row in drawn:
            tops[np.argsort(row)[-keep:]] = True
        np.testing.assert_array_equal(union >= (40 - keep) / 39 - 1e-12, tops)


def test_a_group_without_a_vote_is_named():
    with pytest.raises(ValueError, match=r"no task votes on channels of 'b'.*exclude=\['b'\]"):
        pruning.MeanRank()(scores({"left": TABLE["left"]}))
    with pytest.raises(ValueError, match="no task votes on channels of 'b'"):
        pruning.WeightedSum({"left": 1.0})(scores(TABLE))


def test_settings_are_kept_as_json():
    found = pruning.WeightedSum({"left": 3, "right": 1})(scores(TABLE, per="macs", samples=7))
    assert (found.criterion, found.fingerprint) == ("Some", "f")
    assert json.loads(json.dumps(found.settings)) == {
        "tasks": ["left", "right"],
        "arbiter": "WeightedSum",
        "weights": {"left": 3.0, "right": 1.0},
        "per": "macs",
        "samples": 7,
    }


def test_wrong_use_is_named():
    with pytest.raises(ValueError, match="weights name mask; the tasks are left, right"):
        pruning.WeightedSum({"mask": 1.0})(scores(TABLE))
    with pytest.raises(ValueError, match="expected 0 or more"):
        pruning.WeightedSum({"mask": -1.0})
    with pytest.raises(ValueError, match="different graphs"):
        pruning.Union()({**scores(TABLE), "other": scores(TABLE, "g")["left"]})
    with pytest.raises(ValueError, match="no task's scores"):
        pruning.Union()({})


def test_a_new_arbiter_is_one_method():
    class Least(pruning.Arbiter):
        def merge(self, scores, tasks):
            return np.fmin.reduce(scores, axis=0)

    assert merged(Least()) == [1, 2, 1, 2, 5]
