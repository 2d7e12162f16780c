"""A whole pass with models that answer from the ground truth: each task moves its own measures only."""

import contextlib
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pytest import approx

from maskrcnn.data import Dataset, DataWarning, Sample
from maskrcnn.evaluation import (
    MEASURES,
    KnownTruth,
    ceilings,
    columns,
    evaluate,
    evaluate_in_detail,
    floors,
    known_truth,
    probe_set,
)


def isolated(measures, task):
    flat = columns(measures)
    return {name: flat[name] for name, m in MEASURES.items() if m.task == task and m.isolated}


def test_a_perfect_model_reaches_every_ceiling(made):
    dataset = made.dataset(12)
    measures = evaluate(made.model(dataset), dataset, progress=False)
    ceiling = columns(ceilings(dataset, probe_set(dataset)))
    flat = columns(measures)
    assert set(flat) == set(MEASURES) == set(ceiling)
    present = {name for name, value in flat.items() if not math.isnan(value)}
    assert set(MEASURES) - present <= {"bbox_ap_large", "mask_ap_large"}
    for name in present:
        assert flat[name] == approx(ceiling[name], abs=1e-9), name
    assert flat["bbox_ap"] == flat["mask_ap"] == approx(1) and flat["class_accuracy"] == 1
    assert 0.85 < flat["mask_iou"] < 1 and all(isinstance(value, float) for value in flat.values())


DEAD = {"rpn": "proposal", "bbox": "bbox", "class": "class", "mask": "mask"}


@pytest.mark.parametrize("part", DEAD)
def test_a_dead_part_moves_its_own_isolated_measures_only(made, part):
    dataset = made.dataset(12)
    whole = evaluate(made.model(dataset), dataset, progress=False)
    broken = evaluate(made.model(dataset, dead=(part,)), dataset, progress=False)
    floor = columns(floors(dataset, probe_set(dataset)))
    for task in DEAD.values():
        before, after = isolated(whole, task), isolated(broken, task)
        if task != DEAD[part]:
            assert after == before, task
            continue
        for name in before:
            measure = MEASURES[name]
            if measure.higher_is_better is None:
                assert after[name] == before[name]
            elif name != "class_background_rejection":  # equal odds: argmax falls on background
                worse = after[name] < before[name] if measure.higher_is_better else after[name] > before[name]
                assert worse, name
                if measure.task not in ("class",):
                    assert after[name] <= floor[name] + 1e-9, name
    own = {"rpn": "bbox_ap", "bbox": "bbox_ap", "class": "bbox_ap", "mask": "mask_ap"}[part]
    assert columns(broken)[own] < columns(whole)[own] - 0.2  # end to end, too
    assert columns(broken)["mask_ap"] < columns(whole)["mask_ap"] - 0.2 or part == "bbox"


def test_a_dead_class_head_leaves_class_agnostic_ap_alone(made):
    dataset = made.dataset(12)
    measures = columns(evaluate(made.model(dataset, dead=("class",)), dataset, progress=False))
    assert measures["bbox_class_agnostic_ap"] == approx(1) and measures["bbox_ap"] < 0.6
    assert measures["bbox_tide_class"] > 0.2 > measures["bbox_tide_localisation"]


def test_batch_size_changes_nothing_and_limit_shortens(made):
    dataset = made.dataset(7)
    model = made.model(dataset, noise=True, extra=4)
    one, three = (columns(evaluate(model, dataset, batch_size=b, progress=False)) for b in (1, 3))
    assert three == approx(one, abs=0, nan_ok=True)
    short = evaluate_in_detail(model, dataset, limit=4, progress=False)
    assert len(short.probes) == 4 == len(short.ground_truth["images"])
    assert "tide_class" not in evaluate(model, dataset, limit=2, tide=False, progress=False)["bbox"]


def test_a_stored_probe_set_is_the_one_that_is_asked(made):
    dataset = made.dataset(5)
    model = made.model(dataset, dead=("bbox",))
    asked = probe_set(dataset, seed=11)
    stored = evaluate_in_detail(model, dataset, probes=asked, progress=False)
    assert stored.probes.seed == 11
    seeded = evaluate(model, dataset, probe_seed=11, progress=False)
    other = evaluate(model, dataset, probe_seed=12, progress=False)
    assert (
        stored.measures["bbox"]["refined_iou"]
        == seeded["bbox"]["refined_iou"]
        != other["bbox"]["refined_iou"]
    )


def test_pictures_without_objects_only(made):
    dataset = made.dataset(3, objects=0)
    flat = columns(evaluate(made.model(dataset), dataset, progress=False))
    assert flat["class_background_rejection"] == 1 and flat["class_accuracy"] == 1
    for name in (
        "bbox_ap",
        "mask_iou",
        "proposal_ar100",
        "bbox_refined_iou",
        "class_accuracy_fg",
        "mask_tide_missed",
    ):
        assert math.isnan(flat[name]), name
    floor = columns(floors(dataset, probe_set(dataset)))
    assert math.isnan(floor["bbox_ap"]) and floor["class_accuracy"] == 1  # always background is always right


def test_a_single_class(made):
    dataset = made.dataset(6, names=("disc",))
    flat = columns(evaluate(made.model(dataset), dataset, progress=False))
    assert flat["bbox_ap"] == approx(1) and flat["class_accuracy"] == flat["class_accuracy_fg"] == 1


def test_equal_image_ids_are_numbered_anew(made):
    samples = [replace(s, image_id=0) for s in made.dataset(4)]
    dataset = Dataset("pooled", ("box", "disc", "moon"), 4, samples.__getitem__)
    assert evaluate(made.model(dataset), dataset, progress=False)["mask"]["ap"] == approx(1)


@pytest.mark.parametrize("ids", [["img_2", "img_10", "b", "a"], ["1", "2", "3", "4"], [7, "7", 8, "x"]])
def test_ids_may_be_text(made, ids):
    samples = [replace(s, image_id=i) for s, i in zip(made.dataset(4), ids, strict=True)]
    dataset = Dataset("named", ("box", "disc", "moon"), 4, samples.__getitem__)
    found = evaluate_in_detail(made.model(dataset), dataset, progress=False)
    assert found.measures["mask"]["ap"] == found.measures["bbox"]["ap"] == approx(1)
    numbered = {int, str} == {type(i) for i in ids}  # texts and numbers do not sort
    assert [row["id"] for row in found.ground_truth["images"]] == ([1, 2, 3, 4] if numbered else ids)


@pytest.mark.parametrize("most, ap", [(None, 0.665), (50, 0.665), (150, 1.0)])
def test_ap_counts_what_a_model_may_find(made, most, ap):
    """150 objects of a class: of the 100 that COCO counts, none more than two thirds are found."""
    masks = np.zeros((150, 60, 90), bool)
    for i, mask in enumerate(masks):
        mask[i // 15 * 6 : i // 15 * 6 + 4, i % 15 * 6 : i % 15 * 6 + 4] = True
    sample = Sample.of(np.zeros((60, 90, 3), np.uint8), masks, np.ones(150, int), image_id=3)
    dataset = Dataset("cells", ("cell",), 1, [sample].__getitem__)
    model = made.model(dataset)
    if most is not None:
        model.config = SimpleNamespace(detections_per_image=most)
    said = pytest.warns(DataWarning, match="150 objects, more than the model's detections_per_image=50")
    with said if most == 50 else contextlib.nullcontext():
        measures = columns(evaluate(model, dataset, progress=False, tide=False))
    assert measures["bbox_ap"] == measures["mask_ap"] == measures["bbox_class_agnostic_ap"] == approx(ap, abs=0.01)


def test_mistakes_are_named(made):
    dataset = made.dataset(4)
    model = made.model(dataset)
    model.config = SimpleNamespace(class_names=("cat", "dog", "cow"))
    with pytest.raises(ValueError, match=r"cat.*moon"):
        evaluate(model, dataset, progress=False)
    del model.config
    with pytest.raises(ValueError, match=r"covers 2 pictures, 4"):
        evaluate(model, dataset, probes=probe_set(dataset, limit=2), progress=False)
    with pytest.raises(ValueError, match="nothing to evaluate"):
        evaluate(model, dataset, limit=0, progress=False)
    honest = model.measure

    def short(images, boxes, mask_boxes):
        answers = honest(images, boxes, mask_boxes)
        answers[0].class_probs = answers[0].class_probs[:, :-1]
        return answers

    model.measure = short
    with pytest.raises(ValueError, match=r"made/0.*class_probs.*\(2[03], 3\).*\(2[03], 4\)"):
        evaluate(model, dataset, progress=False)


def test_a_diverged_model_gets_the_worst_figures_not_an_error(made):
    dataset = made.dataset(5)
    model = made.model(dataset)
    honest = model.measure

    def diverged(images, boxes, mask_boxes):
        answers = honest(images, boxes, mask_boxes)
        for answer in answers:
            for name in ("proposals", "proposal_scores", "class_probs", "refined_boxes", "mask_probs"):
                setattr(answer, name, np.full_like(getattr(answer, name), np.nan))
            answer.detections.boxes = answer.detections.boxes * np.nan
            answer.agnostic_boxes = answer.detections.boxes
        return answers

    model.measure = diverged
    flat = columns(evaluate(model, dataset, progress=False))
    for name in ("proposal_ar100", "bbox_ap", "bbox_refined_iou", "mask_iou", "bbox_class_agnostic_ap"):
        assert flat[name] == 0, name


def test_a_model_without_masks_has_the_other_tasks(made):
    dataset = made.dataset(6)
    model = made.model(dataset, noise=True)
    whole = evaluate_in_detail(model, dataset, progress=False)

    def measure(*asked):
        return [SimpleNamespace(**vars(answer) | {"mask_probs": None}) for answer in model.measure(*asked)]

    found = evaluate_in_detail(SimpleNamespace(measure=measure), dataset, progress=False)
    assert list(found.measures) == ["proposal", "bbox", "class"]
    np.testing.assert_equal(found.measures, {task: whole.measures[task] for task in found.measures})
    assert not any("mask" in column for row in found.per_class.values() for column in row)


def test_what_no_model_changes_is_worked_out_once(made, monkeypatch):
    dataset, asked = made.dataset(6), []
    known = KnownTruth(dataset)
    models = made.model(dataset, noise=True), made.model(dataset, dead=("mask",))
    alone = [evaluate_in_detail(model, dataset, progress=False) for model in models]
    for name in ("runs_of_objects", "mask_ceiling"):
        work = getattr(known_truth, name)
        monkeypatch.setattr(known_truth, name, lambda *given, work=work: asked.append(given) or work(*given))
    for model, expected in zip(models, alone, strict=True):
        found = evaluate_in_detail(model, dataset, progress=False, known=known)
        np.testing.assert_equal(found.measures, expected.measures)
        assert found.ground_truth == expected.ground_truth and found.mask_results == expected.mask_results
        objects = sum(len(probes.mask_boxes) > 0 for probes in found.probes)
        assert len(asked) == len(dataset) + objects
    with pytest.raises(ValueError, match=r"known is of Dataset\('made', 6 .*, and the data set to evaluate on is"):
        evaluate_in_detail(models[0], made.dataset(5), progress=False, known=known)
