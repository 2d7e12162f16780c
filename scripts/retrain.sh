#!/bin/sh
# Three small sets of photos, each with two backbones: results/retrain_<data>_<backbone>. docs/retrain.md shows them.
# Usage: scripts/retrain.sh PYTHON [flags for every sweep]
set -e
python=$1
shift
for backbone in mobilenet_v2 resnet18; do
  weights=mobilenet_v2_1.0_224_dequant_int8_bnfolded_no_top.weights.h5
  [ $backbone = resnet18 ] && weights=null
  sweep() {
    name=retrain_$1_$backbone
    shift
    "$python" scripts/sweep.py retrain --name "$name" --threads 1 \
      --model.backbone $backbone --model.backbone-weights $weights "$@"
  }
  sweep fruits --data.train fruits_nuts --model.min-size 288 --model.max-size 384 "$@"
  sweep balloon --data.train balloon --data.class-name balloon "$@"
  sweep facades --data.train facades/train.json --data.train-images facades/images \
    --data.test facades/test.json --data.test-images facades/images \
    --data.classes vegetation shop --data.train-pictures 57 --model.min-size 384 --model.max-size 384 "$@"
done
