#!/bin/sh
# What mending batch norms after pruning gains or costs, before any fine-tuning: Taylor, 30 % of the MACs, on three data
# sets: results/recalibration/<data>_<how>. In each, the stage "pruned" is without; "recalibrated" is with.
# Facades begins from the dense model of results/facades (`make facades`), if it is there; the others train shortly.
# Shapes hard has no frozen norm, so that both ways are one there. Finished runs are not made again.
# Usage: scripts/recalibration.sh PYTHON [flags for every sweep]
set -e
python=$1
shift
into=results/recalibration
sweep() {
  data=$1
  how=$2
  shift 2
  "$python" scripts/sweep.py "$data" --name "${data}_$how" --results $into --threads 1 \
    --grid.criterion taylor --grid.ratio 0.3 --grid.budget macs --grid.retraining none \
    --pruning.recalibration "$how" --pruning.recalibration-pictures 64 --pruning.criterion-pictures 32 \
    --evaluation.latency-rounds 0 "$@"
}
facades() { sweep facades "$@" --evaluation.split tune; }
balloon() {
  sweep balloon "$@" --training.steps 150 --training.learning-rate 0.001 --model.min-size 256 --model.max-size 384
}
facades relative --dense-from results/facades "$@"
facades plain --dense-from $into/facades_relative "$@"
balloon relative "$@"
balloon plain --dense-from $into/balloon_relative "$@"
sweep shapes_hard relative --training.steps 240 --training.warmup-steps 40 --data.test-count 100 "$@"
