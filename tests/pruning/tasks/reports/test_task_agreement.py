"""Which tasks want the same channels, and which pull against each other."""

import keras
import numpy as np
import pytest

import pruning
from pruning.scores.criteria import Scores


@pytest.fixture(scope="module")
def case(two_again):
    model = two_again.compiled()
    graph = pruning.ChannelGraph(model)
    tasks = pruning.TaskMeasures.of_outputs(model, *two_again.data(40))
    return model, graph, tasks


def scores(graph, seed=0, **values):
    found = {group.name: np.random.default_rng(seed).random(group.size) for group in graph.prunable}
    return Scores(found | values, "made", graph.fingerprint)


def test_equal_scores_agree_and_opposite_ones_do_not(case):
    _, graph, _ = case
    one = scores(graph)
    other = Scores({name: 1 - one[name] for name in one}, "made", graph.fingerprint)
    same = pruning.task_agreement(graph, {"a": one, "b": one}, 0.5)
    assert {row["iou"] for row in same.rows} == {1.0} == {round(row["rank_correlation"], 9) for row in same.rows}
    against = pruning.task_agreement(graph, {"a": one, "b": other}, 0.5)
    assert {row["iou"] for row in against.rows} == {0.0} and set(against.by_group()) == {"shared", "left", "right"}
    assert all(row["rank_correlation"] == pytest.approx(-1) for row in against.rows)


def test_iou_beside_chance(case):
    """Literal masks: of 24 channels a keeps half of `shared` and all of `left`, b two thirds of each."""
    _, graph, _ = case
    a = scores(graph, shared=np.array([9.0] * 6 + [0.0] * 6), left=np.full(6, 8.0), right=np.zeros(6))
    b = scores(graph, shared=np.array([0.0] * 4 + [9.0] * 8), left=np.array([8.0] * 4 + [0.0] * 2), right=np.zeros(6))
    rows = {row["group"]: row for row in pruning.task_agreement(graph, {"a": a, "b": b}, 0.5).rows}
    assert rows["shared"]["iou"] == pytest.approx(2 / 12) and rows["left"]["iou"] == pytest.approx(4 / 6)
    p, q = 6 / 12, 8 / 12
    assert rows["shared"]["chance"] == pytest.approx(p * q / (p + q - p * q))
    assert np.isnan(rows["right"]["iou"]) and np.isnan(rows["right"]["rank_correlation"])


def test_a_task_has_no_say_where_it_does_not_reach(case, two_again, tmp_path):
    model, graph, tasks = case
    by_task = pruning.Taylor(tasks.task_losses, tasks.batches).by_task(graph)
    agreement = pruning.task_agreement(graph, by_task, 0.3)
    assert [(row["group"], row["task"], row["other"]) for row in agreement.rows] == [("shared", "order", "total")]
    agreement.save(tmp_path / "agreement.csv")
    assert (tmp_path / "agreement.csv").read_text().startswith("group,part,channels,task,other,iou")
    assert "order, total" in str(agreement)


def test_agreement_is_asked_of_two_tasks_on_one_graph(case):
    _, graph, _ = case
    one = scores(graph)
    with pytest.raises(ValueError, match="two tasks"):
        pruning.task_agreement(graph, {"a": one})
    with pytest.raises(ValueError, match="ratio is 1.0"):
        pruning.task_agreement(graph, {"a": one, "b": one}, 1.0)
    with pytest.raises(ValueError, match="another model's graph"):
        pruning.task_agreement(graph, {"a": one, "b": Scores(one.values, "made", "other")})


def test_cosines_are_those_of_the_gradients(case):
    """Against the gradients themselves, batch by batch."""
    import tensorflow as tf

    model, graph, tasks = case
    batches = [keras.tree.map_structure(lambda a, at=at: a[at : at + 20], tasks.batches[0]) for at in (0, 20)]
    found = pruning.task_conflicts(graph, tasks.task_losses, batches)
    kernel = model.get_layer("shared").kernel
    cosines, columns = [], []
    for batch in batches:
        with tf.GradientTape(persistent=True) as tape:
            losses = tasks.task_losses(batch)
        a, b = (np.array(tape.gradient(losses[task], kernel.value)) for task in ("order", "total"))
        cosines.append((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))
        lengths = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
        columns.append(np.divide((a * b).sum(axis=0), lengths, out=np.zeros(12), where=lengths > 0))
    assert found.cosines["shared"]["order", "total"] == pytest.approx(np.mean(cosines), abs=1e-5)
    np.testing.assert_allclose(found.channels["shared"], np.maximum(0, -np.mean(columns, axis=0)), atol=1e-5)
    assert found.cosines["left"] == {} and not found.channels["left"].any()
    assert [row["group"] for row in found.rows] == ["shared"] and "order, total" in str(found)


def test_a_task_against_itself_and_its_opposite(case):
    _, graph, tasks = case

    def losses(batch):
        loss = tasks.task_losses(batch)["order"]
        return {"one": loss, "same": 3 * loss, "against": -loss}

    found = pruning.task_conflicts(graph, losses, tasks.batches).cosines["shared"]
    expected = {("one", "same"): 1, ("one", "against"): -1, ("same", "against"): -1}
    assert found == {pair: pytest.approx(cosine, abs=1e-5) for pair, cosine in expected.items()}


def test_what_tasks_fight_over_scores_less(case):
    _, graph, tasks = case
    by_task = pruning.Taylor(tasks.task_losses, tasks.batches).by_task(graph)
    conflicts = pruning.task_conflicts(graph, tasks.task_losses, tasks.batches)
    plain = pruning.Mean()(by_task)
    penalised = pruning.ConflictPenalty(conflicts, strength=0.5)(by_task)
    for group in plain:
        np.testing.assert_allclose(penalised[group], plain[group] * (1 - 0.5 * conflicts.channels[group]))
    assert (penalised["shared"] < plain["shared"]).any() and penalised.settings["arbiter"] == "ConflictPenalty"
    none = pruning.ConflictPenalty(conflicts, pruning.Union(), strength=0.0)(by_task)
    np.testing.assert_array_equal(none["shared"], pruning.Union()(by_task)["shared"])
    taylor = pruning.Taylor(tasks.task_losses, tasks.batches, pruning.ConflictPenalty(conflicts))
    assert pruning.plan(graph, taylor(graph), 0.5).criterion == "Taylor"



def test_conflicts_need_two_tasks_and_batches(case):
    _, graph, tasks = case
    with pytest.raises(ValueError, match="order: two are needed"):
        pruning.task_conflicts(graph, lambda batch: {"order": tasks.task_losses(batch)["order"]}, tasks.batches)
    with pytest.raises(ValueError, match="no batches"):
        pruning.task_conflicts(graph, tasks.task_losses, [])
