"""The columns of `runs.csv`, in order, and what each means."""

from __future__ import annotations

from collections.abc import Iterable

from maskrcnn.evaluation import MEASURES

STAGES = ("floor", "dense", "dense_control", "pruned", "finetuned")
STAGE_MEANINGS = {
    "floor": "trivial predictors: no model at all",
    "dense": "the network as trained",
    "dense_control": "the dense network with the same extra training as the pruned ones",
    "pruned": "right after the last cut: with one_shot before any further training, with a gradual schedule "
    "after the updates that the schedule takes",
    "finetuned": "after fine-tuning with the masks held",
}
COLUMNS = {
    "run": "name of the run; its settings are in runs/<run>.json",
    "stage": "; ".join(f"{name}: {meaning}" for name, meaning in STAGE_MEANINGS.items()),
    "method": "criterion that chose the channels",
    "asked": "fraction of filters to be removed",
    "achieved": "fraction of filters that are zero, counted in the weights at this stage",
    "scope": "where channels competed",
    "schedule": "when they went",
    "seed": "of weights, samplers, order and random scores",
    "steps": "updates of training after the dense model; in the row of the dense model, of its own",
    "learning_rate": "peak of the stage's training",
    "params": "numbers held, zeros included",
    "macs": "multiply-adds of one picture, zeros included",
    "effective_params": "params without the channels that are zero: those of the network with them removed",
    "effective_macs": "macs likewise",
    "effective_bytes": "bytes of the weights likewise",
    "macs_image": "height x width px that macs count",
    "macs_rois": "proposals that macs count",
    "macs_detections": "detections that macs count",
    **{name: measure.description for name, measure in MEASURES.items()},
    "train_seconds": "time of this stage's training",
    "evaluate_seconds": "time of its evaluation",
}


def describe(names: Iterable[str]) -> str:
    """A Markdown list of columns and their meanings."""
    lines = [f"- `{name}`: {COLUMNS.get(name, 'not documented')}" for name in names]
    return "# Columns of runs.csv\n\nA row is one stage of one run.\n\n" + "\n".join(lines) + "\n"
