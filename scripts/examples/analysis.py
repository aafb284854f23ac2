"""A typical analysis of a sweep: profiles with intervals over seeds, change over epochs, and two settings compared.

pdtrain-train sweep=shuffled_labels hydra.sweep.dir=runs/shuffled
python scripts/examples/analysis.py runs/shuffled data.shuffled_labels analysis.png
"""

import sys

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from pdtrain.estimators.multiple_tests import holm
from pdtrain.results import load


# --8<-- [start:read]
def read(folder: str, setting: str) -> pd.DataFrame:
    """Intrinsic dimension of all layers, epochs and runs, with what tells the runs apart and how well they do."""
    rows = load(folder, keys=[setting, "seed"], metrics=["val/accuracy"])
    return rows[(rows.probe == "intrinsic_dimension") & (rows.quantity == "two_nn")]


# --8<-- [end:read]
# --8<-- [start:profile]
def profile(rows: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Mean over seeds of each layer and its 95% interval (Student's), after the last epoch."""
    last = rows[rows.epoch == rows.epoch.max()]
    found = last.groupby([setting, "layer_index", "layer", "depth"]).value.agg(["mean", "sem", "count"])
    reach = stats.t.ppf(0.975, found["count"] - 1) * found["sem"]
    return found.assign(lower=found["mean"] - reach, upper=found["mean"] + reach).reset_index()


# --8<-- [end:profile]
# --8<-- [start:epochs]
def over_epochs(rows: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Mean over seeds of each epoch: the dimension of the last hidden layer, and the validation accuracy."""
    hidden = rows[rows.depth < 1]
    last_hidden = hidden[hidden.layer_index == hidden.groupby("run").layer_index.transform("max")]
    return last_hidden.groupby([setting, "epoch"])[["value", "val/accuracy"]].mean().reset_index()


# --8<-- [end:epochs]
# --8<-- [start:paired]
def paired(rows: pd.DataFrame, setting: str) -> pd.DataFrame:
    """Difference of two settings in each layer after the last epoch: a paired t-test, the seeds being the pairs."""
    last = rows[(rows.epoch == rows.epoch.max()) & (rows.depth > 0)]  # the input is the same in both
    one, other = sorted(last[setting].unique())
    by_seed = last.pivot_table(index=["layer_index", "layer", "seed"], columns=setting, values="value").dropna()
    found = []
    for (_, layer), seeds in by_seed.groupby(["layer_index", "layer"]):
        test = stats.ttest_rel(seeds[other], seeds[one])
        interval = test.confidence_interval()
        difference = (seeds[other] - seeds[one]).mean()
        found.append((layer, len(seeds), difference, interval.low, interval.high, test.pvalue))
    table = pd.DataFrame(found, columns=["layer", "seeds", "difference", "lower", "upper", "p_value"])
    return table.assign(differs=holm(table.p_value.to_numpy(), 0.05))  # of several layers, at 5% in all (Holm 1979)


# --8<-- [end:paired]
def draw(profiles: pd.DataFrame, epochs: pd.DataFrame, setting: str) -> Figure:
    """Profiles along depth, and the course over epochs."""
    figure, (along, over) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for value, of_setting in profiles.groupby(setting):
        ends = of_setting["mean"] - of_setting.lower, of_setting.upper - of_setting["mean"]
        along.errorbar(of_setting.depth, of_setting["mean"], ends, marker="o", capsize=2, label=f"{setting}={value}")
    for value, of_setting in epochs.groupby(setting):
        over.plot(of_setting.epoch, of_setting.value, marker="o", label=f"{setting}={value}")
    along.set(xlabel="relative depth", ylabel="intrinsic dimension (TwoNN)", ylim=(0, None))
    over.set(xlabel="epochs completed", ylabel="of the last hidden layer", ylim=(0, None))
    along.legend(frameon=False)
    return figure


def main(folder: str, setting: str, picture: str) -> None:
    """Print the tables, and draw the figure."""
    rows = read(folder, setting)
    profiles, epochs = profile(rows, setting), over_epochs(rows, setting)
    print(profiles.round(2).to_string(index=False))
    print(epochs.round(2).to_string(index=False))
    if rows[setting].nunique() == 2:
        print(paired(rows, setting).round(4).to_string(index=False))
    draw(profiles, epochs, setting).savefig(picture, dpi=150)


if __name__ == "__main__":
    main(*sys.argv[1:])
