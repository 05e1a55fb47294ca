#!/usr/bin/env bash
# Everything that wants a GPU, in steps of at most LIMIT seconds. A step that is done is skipped and an interrupted
# one goes on, so call it again until it says that nothing is left:
#     bash benchmarks/gpu.sh          all steps, each as far as it gets in LIMIT seconds
#     bash benchmarks/gpu.sh next     the first unfinished step alone
#     SMALL=1 bash benchmarks/gpu.sh  every step on the CPU at tiny size, to try the script itself
# Variables that must be set:
#     MNIST_ROOT                                folder of the four IDX files
#     CIFAR_NPZ                                 archive of x_train, y_train, x_test, y_test
#     INCEPTION                                 state dict of torch-fidelity's inception-v3-compat, layer 768 at least
# Variables with a default:
#     LIMIT=590  WORK=.gpu                      seconds per step; where runs and results lie
#     MNIST_STEPS, CIFAR_STEPS=200000           the papers'; an unfinished training is sampled as it is
#     NUM_SAMPLES=10000  SWEEP="3 10 30"        images measured; steps a level tried beside the paper's 100
set -euo pipefail
cd "$(dirname "$0")/.."
ROOT=$PWD
SMALL=${SMALL:-0}
if [ "$SMALL" = 1 ]; then
  : "${WORK:=.gpu-small}" "${LIMIT:=120}" "${MNIST_STEPS:=6}" "${CIFAR_STEPS:=6}" "${NUM_SAMPLES:=60}" "${SWEEP:=2}"
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}"
fi
: "${WORK:=.gpu}" "${LIMIT:=590}" "${MNIST_STEPS:=200000}" "${CIFAR_STEPS:=200000}" "${NUM_SAMPLES:=10000}" "${SWEEP:=3 10 30}"
: "${MNIST_ROOT:?set it to the folder of the four IDX files of MNIST}"
: "${CIFAR_NPZ:?set it to an archive of x_train, y_train, x_test, y_test}"
: "${INCEPTION:?set it to a state dict of inception-v3-compat}"
mkdir -p "$WORK/done"
WORK=$(cd "$WORK" && pwd)
INCEPTION=$(realpath -m "$INCEPTION")
RESULTS=$ROOT/benchmarks/results
[ "$SMALL" = 1 ] && RESULTS=$WORK/results
[ -d .venv/bin ] && export PATH="$ROOT/.venv/bin:$PATH"
export DVC_NO_ANALYTICS=1 MLFLOW_DISABLE_TELEMETRY=true

need() {  # a file or folder, and what to set where it lies elsewhere
  [ -e "$1" ] || { echo "$1 is missing; set $2 to where it lies" >&2; exit 1; }
}

workspace() {  # NAME PRESET KEY=VALUE...: the pipeline with its params and artifacts apart from the project's own
  local folder=$WORK/$1
  [ -f "$folder/params.yaml" ] && return
  mkdir -p "$folder/reports"
  cp -r params.yaml dvc.yaml .dvcignore pipeline src "$folder/"
  ( cd "$folder" && git init -q && { [ -d .dvc ] || dvc init -q; }
    PYTHONPATH=$folder/src python - "${@:2}" <<'PY'
import sys
from pathlib import Path

from ruamel.yaml import YAML

from ncsn.config.preset import apply_preset
from ncsn.base.yaml_file import read_commented, set_values, write_commented

apply_preset(sys.argv[1])
read = YAML(typ="safe").load
values = dict(pair.split("=", 1) for pair in sys.argv[2:])
document = read_commented(Path("params.yaml"))
set_values(document, {key: read(value) for key, value in values.items()})
write_commented(Path("params.yaml"), document)
PY
  ) || { rm -f "$folder/params.yaml"; exit 1; }  # made anew by the next call
}

inside() {  # NAME COMMAND...: in a workspace, with its own copy of the library
  ( cd "$WORK/$1" && PYTHONPATH=$WORK/$1/src timeout -k 30 "$LIMIT" "${@:2}" )
}

train() { inside "$1" dvc repro -q train; }

# An unfinished training leaves its last checkpoint, at most a minute old, where the stage sample looks for it.
draw() {
  local folder=$WORK/$1 unfinished
  unfinished=$(ls -t "$folder"/.work/train-*/checkpoint.pt 2>/dev/null | head -1 || true)
  if [ ! -f "$WORK/done/$1-train" ]; then
    [ -n "$unfinished" ] || { echo "$1: no checkpoint yet; train first" >&2; return 1; }
    mkdir -p "$folder/artifacts/train"
    rm -f "$folder/artifacts/train/checkpoint.pt"
    cp "$unfinished" "$folder/artifacts/train/checkpoint.pt"
  fi
  inside "$1" python pipeline/sample.py
}

measure() { inside "$1" dvc repro -q reference && inside "$1" python pipeline/evaluate.py; }

keep() {  # NAME LABEL: metrics and a grid of the samples, with the step that the network has reached
  ( cd "$WORK/$1" && PYTHONPATH=$WORK/$1/src python - "$RESULTS/gpu-$2" <<'PY'
import sys
from pathlib import Path

import numpy as np
import torch

from ncsn.train.checkpoint import load_checkpoint
from ncsn.base.files import read_json, write_json
from ncsn.train.previews import write_grid

target = Path(sys.argv[1])
images = np.load("artifacts/sample/samples.npz")["arr_0"]
images = images[: min(64, len(images) // 8 * 8)]  # whole rows of eight
write_grid(target.with_name(target.name + ".png"), torch.from_numpy(images).permute(0, 3, 1, 2))
step = load_checkpoint("artifacts/train/checkpoint.pt").step
summary, metrics = read_json("artifacts/sample/summary.json"), read_json("reports/metrics.json")
write_json(target.with_name(target.name + ".json"), {"train_step": step, **summary, **metrics})
PY
  )
}

run() {  # STEP COMMAND...: skipped when done; marked when it ends well
  local step=$1
  shift
  [ -f "$WORK/done/$step" ] && return
  echo "== $step"
  if "$@"; then touch "$WORK/done/$step"; else echo "== $step: unfinished (status $?)"; fi
  [ "${ONE:-0}" = 0 ] || exit 0
}

swept() {  # NAME T: the same network with T steps a level
  ( cd "$WORK/$1" && sed -i "s/^  steps_per_level: [0-9]*/  steps_per_level: $2/;" params.yaml )
  draw "$1" && measure "$1" && keep "$1" "$1-T$2"
}

[ "${1:-}" = next ] && ONE=1
need "$MNIST_ROOT" MNIST_ROOT
need "$CIFAR_NPZ" CIFAR_NPZ
need "$INCEPTION" INCEPTION

small=()
if [ "$SMALL" = 1 ]; then
  sizes="tiny" extra=(--device cpu --repeats 1 --results "$WORK/results")
  small=(base.device=cpu data.num_train=120 data.num_test=100 reference.classifier_steps=5 model.base_channels=4
    noise.num_levels=2 train.batch_size=8 train.log_every_steps=3 train.validate_every_steps=6
    train.preview_every_steps=6 sampler.steps_per_level=1 sample.block_size=20 sample.num_trajectory_images=2
    evaluate.kid_subset_size=20 evaluate.kid_subsets=5)
else
  sizes="digits mnist32 mnist cifar10" extra=(--device cuda)
fi
workspace mnist mnist "data.root=$(realpath "$MNIST_ROOT")" "train.num_steps=$MNIST_STEPS" \
  "sample.num_samples=$NUM_SAMPLES" "${small[@]}"
workspace cifar10 cifar10 data.name=npz "data.path=$(realpath "$CIFAR_NPZ")" 'reference.feature_layer="768"' \
  "reference.weights_path=$INCEPTION" "train.num_steps=$CIFAR_STEPS" "sample.num_samples=$NUM_SAMPLES" "${small[@]}"

for size in $sizes; do
  run "speed-$size" timeout -k 30 "$LIMIT" env PYTHONPATH="$ROOT/src" \
    python benchmarks/speed.py --size "$size" --inception "$INCEPTION" "${extra[@]}"
done
for name in mnist cifar10; do
  run "$name-train" train "$name"
  run "$name-sample" draw "$name"
  run "$name-measure" measure "$name"
  run "$name-keep" keep "$name" "$name"
done
for steps in $SWEEP; do
  run "cifar10-T$steps" swept cifar10 "$steps"
done
left=0
for step in $(for s in $sizes; do echo "speed-$s"; done) {mnist,cifar10}-{train,sample,measure,keep} \
  $(for s in $SWEEP; do echo "cifar10-T$s"; done); do
  [ -f "$WORK/done/$step" ] || { echo "left: $step"; left=1; }
done
[ $left = 1 ] || echo "nothing is left; results lie in $RESULTS, runs in $WORK"
