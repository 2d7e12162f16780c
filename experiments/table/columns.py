"""The columns of a sweep's table, in order, and what each means."""

from __future__ import annotations

from collections.abc import Iterable

from experiments.declaration import Declaration
from experiments.table.summary_measures import summary_columns

STAGES = {
    "floor": "trivial predictors: no model at all",
    "dense": "the network as trained",
    "dense_control": "the dense network with the same extra training as the pruned ones",
    "smaller_input": "the dense network, as it is, on pictures of `input_size`",
    "pruned": "right after the last cut: with one_shot before any further training, with a gradual schedule after "
    "the updates that the schedule takes",
    "recalibrated": "with batch norms mended",
    "finetuned": "after fine-tuning with the masks held",
    "removed": "that network without the masked channels: physically smaller",
    "scratch": "the smaller network, trained from new weights as the dense one was",
    "int8": "the run's last model in int8 after training: weights by output channel, activations by tensor, as "
    "LiteRT's kernels compute; int8.report.json says which layers",
    "float16": "its weights, batch norms folded, in half precision",
    "cluster16": "its kernels clustered: 16 different weights in each",
    "cluster32": "32 in each",
    "cluster64": "64 in each",
    "tfmot_cluster16": "clustered and trained on with finetune's steps by tensorflow-model-optimization; measured in "
    "LiteRT",
    "tfmot_qat": "trained on, quantization-aware, with finetune's steps by tensorflow-model-optimization; measured in "
    "LiteRT, int8",
}
SETTINGS = {
    "run": "name of the run; its folder is runs/<run>, with all its settings in settings.json",
    "stage": "; ".join(f"{name}: {meaning}" for name, meaning in STAGES.items()),
    "model": "which of the models that the sweep compares",
    "criterion": "what scored the channels",
    "arbiter": "how the tasks' scores became one; empty for scores of weights",
    "scope": "where channels competed",
    "normaliser": "what they were compared by there: raw scores, or relative ones, over the mean of their group",
    "schedule": "when they went",
    "budget": "what asked and achieved are fractions of: filters of what may be pruned; params, macs of the network",
    "part": "what may be pruned: all, or one part",
    "retraining": "finetune, rewind (the last learning rates of the training), scratch or none; for the dense control, "
    "what it had",
    "seed": "of weights, samplers, order and random scores; each has its own dense model",
    "repeat": "number of the fine-tuning with the same settings, each with another order of the examples",
    "asked": "fraction of the budget to be removed",
    "macs_asked": "MACs that were to be left; of a dense model whose MACs others come down to, its own",
    "input_size": "px of the pictures' shorter side, where it is not the network's own",
    "achieved": "fraction of the budget that is gone, counted in the weights at this stage",
    "achieved_filters": "fraction of all filters that may ever be pruned that is gone",
    "achieved_macs": "fraction of the dense network's macs that is gone",
    "reference": "run that the delta columns are differences to: the dense control with the same extra training; the "
    "dense network for smaller_input, pruned, recalibrated and scratch",
    "steps": "updates of training after the dense model; in the rows dense and scratch, of all the training",
    "learning_rate": "peak of the run's training up to this stage",
}
COSTS = {
    "params": "numbers held, zeros included",
    "macs": "MACs (multiply-adds) of one example, zeros included",
    "bytes": "of the weights in memory, zeros included; in the rows int8 to cluster64 of the numbers in the file",
    "effective_params": "params without the channels that are zero: those of the network with them removed",
    "effective_macs": "macs likewise",
    "effective_bytes": "bytes likewise",
    "file_bytes": "size of the run's model file: .keras, without optimizer; in the rows int8 to cluster64 the "
    ".safetensors of pruning.save_compact, which holds network and weights (int8 codes and a float32 scale a channel, "
    "halves, or places in a table of float32, the rest float32); in tfmot rows the .tflite",
    "file_gzip_bytes": "the same file gzipped",
    "select_seconds": "time of scoring and choosing channels; scores that serve several runs count in each",
    "select_pictures": "training pictures that the scores looked at, each time that they did; 0: weights alone",
    "step_seconds": "median time from one update to the next in this stage's training",
    "latency_ms": "median time of the network for one example",
    "latency_dense_ms": "the same of the dense network, the two taking turns in one run",
    "latency_ratio": "median of the dense network's time / this one's, round by round",
    "latency_first_ratio": "median of the time of the sweep's first dense model / this one's, round by round; of a "
    "pruned network, that of its dense model times latency_ratio",
    "latency_spread": "distance of the quartiles of latency_ms / latency_ms",
    "latency_threads": "threads that one operation could use",
}
SECONDS = {
    "train_seconds": "time of this stage's training, in the process that finished it",
    "prune_seconds": "time of scoring, choosing, masking, recalibrating and removing channels",
    "evaluate_seconds": "time of measuring tasks, costs and latency",
    "overhead_seconds": "time of all else: callbacks, progress, history, checkpoints, restoring, saving, writing",
}
VARYING = (*SECONDS, "select_seconds", "step_seconds", *(name for name in COSTS if name.startswith("latency_")))
"""Columns that differ from one run of the same sweep to the next."""


def columns(problem: Declaration) -> dict[str, str]:
    """Every column that a problem's table may have, in order, with its meaning.

    Settings come first, then costs, the problem's own columns, measures, differences to the reference, and times. A
    problem that lists a measure among its own columns moves it there; one that lists a cost says what it means here.
    """
    measures = {name: measure.description or measure.axis for name, measure in problem.measures.items()}
    known = {**SETTINGS, **COSTS, **problem.columns, **measures}
    deltas = {f"delta_{name}": f"{name} minus that of the run in `reference`" for name in known if name in measures}
    return {**known, **deltas, **summary_columns(problem), **SECONDS}


def describe(names: Iterable[str], problem: Declaration) -> str:
    """A Markdown list of columns and their meanings."""
    known = columns(problem)
    lines = [f"- `{name}`: {known.get(name, 'not documented')}" for name in names]
    return "# Columns of runs.csv and runs.parquet\n\nA row is one stage of one run.\n\n" + "\n".join(lines) + "\n"
