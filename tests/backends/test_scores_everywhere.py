"""The graph and the scores, on whatever backend runs: they are the same, and the gradients are right."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import pruning
from pruning.scores.backend_gradients import compiled
from pruning.scores.gradients import Gates

# Made on TensorFlow by `python tests/backends/test_scores_everywhere.py`.
KNOWN = Path(__file__).with_name("scores.json")


def criteria(small, model):
    losses, batches = small.losses_of(model), [(small.pictures(count), small.targets(count)) for count in (3, 2)]
    return {
        "L1": pruning.L1(),
        "GroupL1": pruning.GroupL1(),
        "FPGM": pruning.FPGM(),
        "Taylor": pruning.Taylor(losses, batches),
        "Fisher": pruning.Fisher(losses, batches),
        "LossRise": pruning.LossRise(losses, batches[:1], chunk=2),
    }


def all_scores(small, model):
    graph = pruning.ChannelGraph(model)
    return {
        name: {group: np.asarray(values).tolist() for group, values in criterion(graph).values.items()}
        for name, criterion in criteria(small, model).items()
    }


def test_scores_are_those_of_every_other_backend(small, net):
    known = json.loads(KNOWN.read_text())[net.name]
    found = all_scores(small, net)
    assert found.keys() == known.keys()
    for name, groups in known.items():
        assert found[name].keys() == groups.keys()
        for group, values in groups.items():
            np.testing.assert_allclose(found[name][group], values, rtol=2e-3, atol=2e-5, err_msg=f"{name} {group}")


def test_a_gate_gradient_is_the_slope_of_the_loss(small):
    """By central differences: every reader's slice of one channel, a little larger and a little smaller."""
    model = small.nets["two_tasks"]()
    graph = pruning.ChannelGraph(model)
    task_losses, batch = small.losses_of(model), (small.pictures(1), small.targets(1))
    gates = Gates(graph, task_losses)([batch])
    (group,) = [group for group in graph.prunable if "trunk" in group.name]
    readers = {id(p.slice.variable): p.slice for m in group.readers for p in m.parts if p.slice.kernel}
    assert len(readers) == 2
    for channel in (0, 3):
        losses = []
        for factor in (1.01, 0.99):
            before = {key: np.array(piece.variable) for key, piece in readers.items()}
            for key, piece in readers.items():
                value = before[key].copy()
                np.moveaxis(value, piece.axis, 0)[channel] *= factor
                piece.variable.assign(value)
            losses.append({task: small.number(loss) for task, loss in task_losses(batch).items()})
            for key, piece in readers.items():
                piece.variable.assign(before[key])
        for task in losses[0]:
            slope = (losses[0][task] - losses[1][task]) / 0.02
            assert gates[task][group.name][0, channel] == pytest.approx(slope, rel=0.02, abs=1e-4)


def test_a_task_that_does_not_reach_a_branch_has_no_score_there(small):
    model = small.nets["two_tasks"]()
    graph = pruning.ChannelGraph(model)
    gates = Gates(graph, small.losses_of(model))([(small.pictures(2), small.targets(2))])
    side = next(group.name for group in graph.prunable if "side" in group.name)
    assert np.isnan(gates["left"][side]).all() and np.isfinite(gates["right"][side]).all()


def test_what_is_zero_is_reached(small):
    """A head of zeros: the loss's slopes by all before it are zero, but they are there."""
    model = small.nets["plain"]()
    model.get_layer("logits").kernel.assign(np.zeros((8, 3)))
    graph = pruning.ChannelGraph(model)
    gates = Gates(graph, small.losses_of(model))([(small.pictures(2), small.targets(2))])
    assert all((rows == 0).all() for rows in gates["square"].values())


def test_frozen_kernels_are_derived_by(small):
    model = small.nets["plain"]()
    graph, batch = pruning.ChannelGraph(model), (small.pictures(2), small.targets(2))
    before = Gates(graph, small.losses_of(model))([batch])
    model.trainable = False
    after = Gates(graph, small.losses_of(model))([batch])
    for name, rows in before["square"].items():
        np.testing.assert_allclose(after["square"][name], rows, rtol=1e-5, atol=1e-7)


def test_what_is_compiled_sees_new_values_of_weights(small):
    model = small.nets["plain"]()
    run, batch = compiled(small.losses_of(model)), (small.pictures(2), small.targets(2))
    first = float(run(batch)[0]["square"])
    model.get_layer("norm0").beta.assign(np.full(6, 3.0))
    assert float(run(batch)[0]["square"]) != pytest.approx(first)
    plain = small.number(small.losses_of(model)(batch)["square"])
    assert float(run(batch)[0]["square"]) == pytest.approx(plain, rel=1e-5)


def test_a_variable_along_two_axes(small):
    weight = keras.Variable(np.arange(6.0).reshape(2, 3), dtype="float32")

    def sums(values, slopes):
        return [keras.ops.sum(v * s, axis=a) for v, s, a in zip(values, slopes["loss"], (0, 1), strict=True)]

    run = compiled(lambda batch: keras.ops.sum(weight * batch), [weight, weight], sums)
    loss, (columns, rows) = run(np.ones((2, 3), "float32"))
    assert float(loss["loss"]) == 15
    assert np.asarray(columns).tolist() == [3, 5, 7] and np.asarray(rows).tolist() == [3, 12]


def test_a_loss_that_is_no_scalar_is_named():
    weight = keras.Variable(np.ones(2), dtype="float32")
    run = compiled(lambda batch: {"wide": weight * batch}, [weight])
    with pytest.raises(ValueError, match=r"task 'wide' has shape \(2,\); expected a scalar"):
        run(np.ones(2, "float32"))


def test_tasks_and_their_conflicts(small):
    model = small.nets["two_tasks"]()
    graph, batch = pruning.ChannelGraph(model), (small.pictures(), small.targets())
    found = pruning.task_conflicts(graph, small.losses_of(model), [batch])
    trunk = next(group.name for group in graph.prunable if "trunk" in group.name)
    assert list(found.cosines[trunk]) == [("left", "right")] and abs(found.cosines[trunk]["left", "right"]) <= 1
    measured = pruning.TaskMeasures(task_losses=small.losses_of(model), batches=[batch])(model)
    assert measured["left"]["loss"] == pytest.approx(small.number(small.losses_of(model)(batch)["left"]), rel=1e-5)


def test_only_tensorflow_needs_tensorflow():
    if keras.backend.backend() == "tensorflow":
        pytest.skip("it is the backend")
    code = "import sys, pruning, schedules; print([name for name in sys.modules if name == 'tensorflow'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


if __name__ == "__main__":
    from conftest import losses_of, pictures, plain, residual, targets, two_tasks

    class Small:
        losses_of, pictures, targets = map(staticmethod, (losses_of, pictures, targets))

    made = {model.name: all_scores(Small, model) for model in (plain(), residual(), two_tasks())}
    to = Path(sys.argv[1]) if len(sys.argv) > 1 else KNOWN
    to.write_text(json.dumps(made, indent=1) + "\n")
