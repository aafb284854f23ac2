"""Draws the hunchback of a sweep: intrinsic dimension along depth, untrained and trained, mean and spread over runs.

pdtrain-train sweep=seeds hydra.sweep.dir=runs/seeds
python scripts/examples/dimension_over_seeds.py runs/seeds dimension.png
"""

import sys

import matplotlib.pyplot as plt

from pdtrain.results import load

# %% one tidy frame of all runs: a line per value
rows = load(sys.argv[1])
dimension = rows[(rows.probe == "intrinsic_dimension") & (rows.quantity == "two_nn")]

# %% mean and standard deviation over runs, for the first and the last epoch
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for epoch, style in ((dimension.epoch.min(), "--"), (dimension.epoch.max(), "-")):
    of_epoch = dimension[dimension.epoch == epoch].groupby(["layer_index", "depth"]).value
    mean, spread = of_epoch.mean(), of_epoch.std()
    depth = mean.index.get_level_values("depth")
    axes.errorbar(depth, mean, spread, linestyle=style, marker="o", capsize=2, label=f"epoch {epoch}")
axes.set(xlabel="relative depth", ylabel="intrinsic dimension (TwoNN)", ylim=(0, None))
axes.legend(frameon=False)
figure.savefig(sys.argv[2], dpi=150)

# %% the same as a table
print(dimension.pivot_table(index="layer_index", columns="epoch", values="value", aggfunc=["mean", "std"]).round(1))
