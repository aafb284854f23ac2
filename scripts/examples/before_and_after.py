"""Draws what training does to a network: dimension and information along depth, untrained and trained.

pdtrain-train hydra.run.dir=runs/quickstart
python scripts/examples/before_and_after.py runs/quickstart before_and_after.pdf
"""

import sys

import matplotlib.pyplot as plt

from pdtrain.results import load

_PANELS = (
    ("intrinsic_dimension", "two_nn", "", "intrinsic dimension (TwoNN)"),
    ("unit_information", "mean", "luminance@receptive_field", "luminance in the field\n(bit per unit)"),
    ("unit_information", "mean", "identity", "identity\n(bit per unit)"),
)

# %% one tidy frame: a line per value, of the first and the last epoch
rows = load(sys.argv[1])
ends = {"untrained": rows.epoch.min(), "trained": rows.epoch.max()}

# %% a panel each; the width is that of a page's text, and text is set in points
plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
figure, panels = plt.subplots(1, len(_PANELS), figsize=(7, 2.1), layout="constrained")
for axes, (probe, quantity, about, label) in zip(panels, _PANELS, strict=True):
    measured = rows[(rows.probe == probe) & (rows.quantity == quantity) & (rows.property == about)]
    if "@" in about:  # a pixel tells all about its own
        measured = measured[measured.layer != "input"]
    for (name, epoch), colour in zip(ends.items(), ("tab:gray", "tab:red"), strict=True):
        layers = measured[measured.epoch == epoch].sort_values("layer_index")
        axes.fill_between(layers.depth, layers.lower, layers.upper, color=colour, alpha=0.25, linewidth=0)
        axes.plot(layers.depth, layers.value, "o-", color=colour, markersize=3, linewidth=1.2, label=name)
        bounds = layers[layers.note.str.contains("lower bound")]  # more dimensions than so many stimuli can tell
        axes.plot(bounds.depth, bounds.value, "o", color=colour, markersize=3, markerfacecolor="white")
    axes.set(xlabel="relative depth", ylabel=label, xlim=(-0.03, 1.03), ylim=(0, None))
panels[0].legend(frameon=False)
figure.savefig(sys.argv[2], dpi=200)

# %% what stands in the text: values of the last hidden layer with their intervals over stimuli
depths = rows[rows.layer != ""].groupby("layer").depth.max()
last_hidden = depths[depths < 1].idxmax()
of_layer = rows[(rows.layer == last_hidden) & rows.epoch.isin(ends.values())]
for probe, quantity, about, _ in _PANELS:
    chosen = of_layer[(of_layer.probe == probe) & (of_layer.quantity == quantity) & (of_layer.property == about)]
    for row in chosen.itertuples():
        print(f"{row.layer}, epoch {row.epoch}: {quantity} {about} {row.value:.3g} [{row.lower:.3g}, {row.upper:.3g}]")
