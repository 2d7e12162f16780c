#!/bin/sh
# What mending batch norms after pruning gains or costs, before any fine-tuning: Taylor, 30 % of the MACs, on three data
# sets: results/recalibration/<data>_<how>. In each, the stage "pruned" is without; "recalibrated" is with.
# Facades begins from the dense model of results/facades (`make facades`), if it is there; the others train shortly.
# Usage: scripts/recalibration.sh PYTHON [flags for every sweep]
set -e
python=$1
shift
for how in relative plain; do
  sweep() {
    data=$1
    shift
    "$python" scripts/sweep.py "$data" --name "${data}_$how" --results results/recalibration --threads 1 \
      --grid.criterion taylor --grid.ratio 0.3 --grid.budget macs --grid.retraining none \
      --pruning.recalibration "$how" --pruning.recalibration-pictures 64 --pruning.criterion-pictures 32 \
      --evaluation.latency-rounds 0 "$@"
  }
  from=results/recalibration
  [ $how = relative ] && sweep facades --dense-from results/facades --evaluation.split tune "$@"
  [ $how = plain ] && sweep facades --dense-from $from/facades_relative --evaluation.split tune "$@"
  sweep balloon --training.steps 150 --training.learning-rate 0.001 --model.min-size 256 --model.max-size 384 \
    $([ $how = plain ] && echo --dense-from $from/balloon_relative) "$@"
  sweep shapes_hard --training.steps 240 --training.warmup-steps 40 --data.test-count 100 \
    $([ $how = plain ] && echo --dense-from $from/shapes_hard_relative) "$@"
done
