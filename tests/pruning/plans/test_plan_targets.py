"""Ratios by layer, pattern and part; scopes; floors by share."""

import keras
import numpy as np
import pytest

import pruning

L = keras.layers
SHAPES = {"image": (1, 32, 32, 3), "rois": (1, 5, 4)}


def flat(graph, **low):
    """All channels equal, but for groups whose scores are given."""
    values = {group.name: np.full(group.size, low.get(group.name, 1.0)) for group in graph.prunable}
    return pruning.Scores(values, "given", graph.fingerprint)


def counts(plan):
    return {name: len(channels) for name, channels in plan.removed.items()}


def test_a_model_and_a_criterion_are_enough(nets):
    model = nets.lively(nets.plain())
    graph = pruning.ChannelGraph(model)
    assert pruning.plan(model, pruning.L1(), 0.5) == pruning.plan(graph, pruning.L1()(graph), 0.5)
    detector = nets.Detector({})
    made = pruning.plan(detector, lambda graph: pruning.Random(1)(graph), 0.4, measure="macs", input_shapes=SHAPES)
    assert made.achieved == pytest.approx(0.4, abs=0.07) and made.criterion == "Random"


def test_layers_patterns_and_parts_have_ratios_of_their_own(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    found = counts(pruning.plan(graph, flat(graph), {"rpn_conv": 1 / 3, "features": 0.5, "box_head/*": 0.25}))
    assert found == {
        "features/c2": 3, "features/c3": 4, "features/lateral3": 5, "features/p3": 5, "rpn/rpn_conv": 3,
        "box_head/fc1": 3,
    }  # fmt: skip
    only = pruning.plan(graph, flat(graph), {"features/c?": 0.5})
    assert counts(only) == dict.fromkeys(counts(only), 0) | {"features/c2": 3, "features/c3": 4}
    assert only.asked == {"features/c?": 0.5} and only.shares == {"features/c?": pytest.approx(0.5)}


def test_the_entry_that_names_the_fewest_counts(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    found = counts(pruning.plan(graph, flat(graph), {"*": 0.5, "features": 0.25, "features/c2": 0.0, "c2": 0.9}))
    assert (found["features/c2"], found["features/c3"], found["rpn/rpn_conv"]) == (0, 2, 4)


@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("measure", ["macs", "params"])
def test_fractions_of_a_part_are_of_its_own_cost(scope, measure):
    """Though what one part loses makes the other's first layer cheaper."""

    def part(name, width_in, widths):
        x = inside = keras.Input((16, 16, width_in), name=f"{name}_in")
        for number, width in enumerate(widths):
            x = L.Conv2D(width, 3, padding="same", name=f"{name}{number}")(x)
        return keras.Model(inside, x, name=name)

    image = keras.Input((16, 16, 3), name="image")
    x = part("head", 40, (30, 20))(part("body", 3, (60, 50, 40))(image))
    model = keras.Model(image, L.Conv2D(2, 1, name="end")(x), name="wide")
    plan = pruning.plan(model, pruning.Random(0), {"body": 0.3, "head": 0.6}, scope, measure)
    cost = pruning.cost(model, plan=plan)
    for name, asked in plan.asked.items():
        exact = 1 - getattr(cost.effective.parts[name], measure) / getattr(cost.parts[name], measure)
        assert plan.shares[name] == pytest.approx(exact, abs=1e-12) and exact == pytest.approx(asked, abs=0.03)
    assert plan.achieved == pytest.approx(1 - getattr(cost.effective, measure) / getattr(cost, measure))
    assert f"of 'body': {plan.shares['body']:.2%} of {measure} go, 30.00% asked" in str(plan)


def test_fractions_of_a_layer_are_of_what_it_makes(nets):
    """What it reads of others is not its own to lose: each layer's share is its channels', whatever others lose."""
    model = nets.plain(norm=False, bias=False)
    plan = pruning.plan(model, pruning.Random(0), {"conv0": 0.5, "conv*": 0.25}, measure="macs")
    assert counts(plan) == {"conv0": 3, "conv1": 2} and plan.shares == {"conv0": 0.5, "conv*": 0.25}
    cost = pruning.cost(model, plan=plan)
    assert plan.achieved == pytest.approx(1 - cost.effective.macs / cost.macs) and plan.achieved > 0.5


def test_a_part_that_others_have_made_cheap_enough_keeps_its_own(nets):
    asked = {"features": 0.6, "rpn": 0.1}
    plan = pruning.plan(nets.fpn(), pruning.Random(), asked, measure="macs", input_shapes=SHAPES)
    assert plan.removed["rpn/rpn_conv"] == () and plan.shares["rpn"] > 0.1
    assert plan.reasons[0].endswith(
        "of the macs of 'rpn' are gone already, or go with channels of others that its layers read; gone channels do "
        "not come back"
    )


def test_a_mapping_round_trips_and_files_of_before_are_read(nets, tmp_path):
    plan = pruning.plan(nets.fpn(), pruning.Random(), {"features": 0.5, "rpn*": 0.2})
    plan.save(tmp_path / "plan.json")
    assert pruning.Plan.load(tmp_path / "plan.json") == plan
    one = pruning.plan(nets.fpn(), pruning.Random(), 0.5)
    one.save(tmp_path / "one.json")
    text = (tmp_path / "one.json").read_text()
    for line in [line for line in text.splitlines() if '"reasons"' in line or '"shares"' in line]:
        text = text.replace(line + "\n", "")
    start = text.index('  "locked"')
    text = text[:start] + text[text.index('  "groups"') :]
    text = text.replace('"format": 2', '"format": 1').replace("},\n,\n", "},\n")
    (tmp_path / "old.json").write_text(text)
    old = pruning.Plan.load(tmp_path / "old.json")
    assert old.removed == one.removed and old.reasons == () and old.locked == {}


def test_what_a_mapping_may_not_say(nets):
    model = nets.fpn()
    for sparsity, error, word in (
        ({"rpm": 0.5}, ValueError, "'rpm', which matches no group: .*features, rpn, box_head"),
        ({"box_class": 0.5}, ValueError, "nothing can be pruned: reaches the model output 'boxes'"),
        ({"rpn": 50}, ValueError, r"sparsity\['rpn'\] is 50; .*for 50 % write 0.5"),
        ({3: 0.5}, TypeError, "the key 3"),
        ({}, ValueError, "empty mapping"),
    ):
        with pytest.raises(error, match=word):
            pruning.plan(model, pruning.Random(), sparsity)
    with pytest.raises(ValueError, match="one sparsity"):
        pruning.plan(model, pruning.Random(), {"rpn": 0.5}, measure="latency", timer=print)
    with pytest.raises(ValueError, match="90.00% of macs of 'rpn' cannot be removed: at most"):
        pruning.plan(model, pruning.Random(), {"rpn": 0.9}, measure="macs", min_channels=4, input_shapes=SHAPES)


def test_isomorphic_groups_compete_with_one_another_alone():
    """Bottlenecks of one structure share a budget; stems and heads have their own; widths do not matter."""
    image = keras.Input((8, 8, 3))
    x = L.BatchNormalization()(L.Conv2D(8, 3, padding="same", name="stem")(image))
    for number, width in enumerate((4, 12, 8)):
        y = L.Conv2D(width, 1, name=f"inner{number}")(x)
        y = L.ReLU()(L.BatchNormalization()(y))
        x = L.Add()([x, L.Conv2D(8, 1, name=f"outer{number}")(y)])
    x = L.Dense(10, name="fc")(L.GlobalAveragePooling2D()(x))
    graph = pruning.ChannelGraph(keras.Model(image, L.Dense(2, name="logits")(x)))
    scores = flat(graph, inner0=0.0, stem=5.0)
    plan = pruning.plan(graph, scores, 0.25, scope="isomorphic")
    # 6 of the bottlenecks' 24: all but one of inner0's, the rest by position; a quarter of the stem's and of fc's.
    assert counts(plan) == {"stem": 2, "inner0": 3, "inner1": 3, "inner2": 0, "fc": 2}
    assert counts(pruning.plan(graph, scores, 0.25, scope="global"))["stem"] == 0


def test_uniform_is_layer_by_another_name(nets):
    graph = pruning.ChannelGraph(nets.fpn())
    one, other = (pruning.plan(graph, flat(graph), 0.4, scope=scope) for scope in ("uniform", "layer"))
    assert one == other


@pytest.mark.parametrize("measure", ["filters", "macs"])
def test_a_share_of_every_group_is_kept(nets, measure):
    graph = pruning.ChannelGraph(nets.fpn())
    scores = flat(graph, **{"features/p3": 0.0})
    plan = pruning.plan(graph, scores, 0.5, "global", measure, keep_at_least=0.35, input_shapes=SHAPES)
    left = {group.name: group.size - len(plan.removed[group.name]) for group in graph.prunable}
    assert left["features/p3"] == 4  # 3.5 of 10, rounded up
    assert all(left[group.name] >= 0.35 * group.size for group in graph.prunable)
    assert plan.settings["keep_at_least"] == 0.35 and plan.achieved == pytest.approx(0.5, abs=0.05)
    whole = pruning.plan(graph, scores, 0.5, keep_at_least=1.0)
    assert whole.achieved == 0 and not any(whole.removed.values())


def test_objects_that_do_not_belong_are_named(nets):
    import schedules

    model = nets.plain()
    graph = pruning.ChannelGraph(model)
    other = pruning.Random()(pruning.ChannelGraph(nets.residual()))
    decay = keras.optimizers.schedules.PolynomialDecay(0.1, 100)
    for arguments, error, word in (
        ((model, pruning.L1), TypeError, r"the class L1 .* write an object, such as pruning.L1\(\)"),
        ((model, pruning.Taylor), TypeError, "the class Taylor"),
        ((model, "l1"), TypeError, r"'l1' stands where a criterion belongs, such as pruning.L1\(\)"),
        ((model, None), TypeError, "None stands where a criterion belongs"),
        ((model, model), TypeError, "Functional stands where a criterion belongs"),
        ((model, graph), TypeError, "ChannelGraph stands where a criterion belongs"),
        ((model, pruning.Union()), TypeError, r"arbiter=pruning.Union\(\)"),
        ((model, decay), TypeError, r"belongs in pruning.PruningCallback\(criterion, schedule\)"),
        ((model, pruning.L1(), schedules.ConstantSparsity(0.5, 0)), TypeError, "here write a fraction, such as 0.5"),
        ((model, lambda graph: 3), TypeError, "gave 3 for a graph; expected pruning.Scores"),
        ((model, {"conv9": np.ones(3)}), TypeError, r"'conv9' is no group of this graph.*pruning.Scores\("),
        ((model, {"left": other, "right": other}), TypeError, "an arbiter joins them"),
        ((model, other), ValueError, "another model's graph"),
        ((pruning.L1(), model), TypeError, "the wrong way round.*write pruning.plan"),
        ((keras.Model, pruning.L1()), TypeError, "the class Model stands where a model belongs"),
        ((None, pruning.L1()), TypeError, "NoneType"),
    ):
        with pytest.raises(error, match=word):
            pruning.plan(*arguments)
    for sparsity, error in (
        (50, ValueError), (-0.1, ValueError), (1, ValueError), (float("nan"), ValueError), (float("inf"), ValueError),
        ("0.5", TypeError), (None, TypeError), (True, TypeError), (0.5j, TypeError),
    ):  # fmt: skip
        with pytest.raises(error, match="sparsity is .*expected a fraction"):
            pruning.plan(graph, pruning.L1(), sparsity)
    for half in (np.float32(0.5), np.array(0.5), keras.ops.convert_to_tensor(0.5)):
        assert pruning.plan(graph, pruning.L1(), half) == pruning.plan(graph, pruning.L1(), 0.5)
    for name, value in (("keep_at_least", 10), ("keep_at_least", -1), ("round_to", 2.5), ("min_channels", 0)):
        with pytest.raises(ValueError, match=f"{name} is {value}"):
            pruning.plan(graph, pruning.L1(), **{name: value})
    with pytest.raises(ValueError, match="multiply-adds are called macs"):
        pruning.plan(graph, pruning.L1(), measure="flops")


def test_a_graph_where_a_model_belongs_is_named(nets):
    model = nets.plain()
    graph = pruning.ChannelGraph(model)
    plan = pruning.plan(graph, pruning.L1())
    with pytest.raises(TypeError, match="a ChannelGraph stands where a model belongs: write graph.model"):
        pruning.ChannelGraph(graph)
    for call in (pruning.mask, pruning.remove):
        with pytest.raises(TypeError, match="the model comes first"):
            call(plan, model)


def test_the_callback_wants_our_schedule_and_an_object():
    decay = keras.optimizers.schedules.PolynomialDecay(0.1, 100)
    not_ours = r"stands where a schedule belongs.*the schedules of Keras are for learning rates\): write schedules.Poly"
    for criterion, schedule, word in (
        (pruning.L1(), decay, f"PolynomialDecay {not_ours}"),
        (pruning.L1(), 0.5, f"0.5 {not_ours}"),
        (pruning.L1(), lambda step: 0.5, not_ours),
        (pruning.L1(), pruning.Random, f"the class Random {not_ours}"),
        (pruning.L1, decay, "the class L1 stands where a criterion belongs"),
        (decay, pruning.L1(), "stands where a criterion belongs: a schedule says when"),
    ):
        with pytest.raises(TypeError, match=word):
            pruning.PruningCallback(criterion, schedule)
