"""Dimension of the last hidden layer against the error of the network, over several networks."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure
from omegaconf import DictConfig
from scipy.stats import pearsonr

from pdtrain.report.comparison_figures import broken
from pdtrain.report.published import published_networks
from pdtrain.results.configuration import PRETRAINED_WEIGHTS
from pdtrain.results.measures import DIMENSION
from pdtrain.results.metrics import last_values, read_metrics

PUBLISHED_ERROR = "published top-5 error, ImageNet (%)"
VALIDATION_ERROR = "validation error (%)"
_FEWEST = 4  # networks that a correlation is given of
_FEW_OPERATIONS = 4  # convolutions and linear layers; of more, the last hidden layer has a depth of 0.8 or above
_SAME_DEPTH = 0.01
_FILES = (".pth", ".pt", ".ckpt")
_COLUMNS = ["setting", "error_of", "error", "dimension", "runs"]


@dataclass(frozen=True)
class Correlation:
    """Pearson's, of dimension and error.

    Attributes
    ----------
    error_of
        What the errors are.
    r
        None with fewer than four networks.
    networks
        How many there are.
    """

    error_of: str
    r: float | None
    networks: int

    def __str__(self) -> str:
        if self.r is None:
            return f"{self.networks} networks, too few for a correlation"
        return f"Pearson r = {self.r:z.2f}, n = {self.networks} networks"


def against_error(rows: pd.DataFrame, configurations: Mapping[str, DictConfig | None]) -> pd.DataFrame:
    """Dimension of the last hidden layer and error in percent of each setting, means over its runs.

    Parameters
    ----------
    rows
        Of the last epoch of each run, with columns run and setting.
    configurations
        Of each run.

    Returns
    -------
    pandas.DataFrame
        Columns setting, error_of, error, dimension, runs; no line for runs whose error is not known, or whose last
        hidden layer was not probed.
    """
    hidden = DIMENSION.rows(rows)
    hidden = hidden[(hidden.depth < 1) & (hidden.layer_index > 0)].sort_values("layer_index")
    lines: list[dict[str, Any]] = []
    for run, of_run in hidden.groupby("run", sort=False):
        if not _reaches_last_hidden(of_run["depth"]):
            continue
        last = of_run.iloc[-1]
        pretrained = last["weights"] == PRETRAINED_WEIGHTS
        error = _published_error(configurations[str(run)]) if pretrained else _validation_error(str(run))
        if error is not None and pd.notna(last["value"]):
            kind = PUBLISHED_ERROR if pretrained else VALIDATION_ERROR
            lines.append({"setting": last["setting"], "error_of": kind, "error": error, "dimension": last["value"]})
    table = pd.DataFrame(lines, columns=_COLUMNS[:-1])
    groups = table.groupby(["error_of", "setting"], sort=False)
    means = groups.agg(error=("error", "mean"), dimension=("dimension", "mean"), runs=("error", "size"))
    return means.reset_index()[_COLUMNS]


def _reaches_last_hidden(depths: pd.Series) -> bool:
    """Whether the deepest is one operation, or few of many, before the output.

    Of a network of few operations it is deep in none but has depths that are multiples of the step that is left.
    """
    operations = 1 / (1 - depths.max())
    places = depths * operations
    return bool(round(operations) > _FEW_OPERATIONS or ((places - places.round()).abs() < _SAME_DEPTH).all())


def correlations(table: pd.DataFrame) -> list[Correlation]:
    """Of dimension and error over settings, for each kind of error."""
    found = []
    for kind, of_kind in table.groupby("error_of", sort=False):
        vary = of_kind["error"].nunique() > 1 and of_kind["dimension"].nunique() > 1
        known = len(of_kind) >= _FEWEST and vary
        r = float(pearsonr(of_kind["dimension"], of_kind["error"])[0]) if known else None
        found.append(Correlation(str(kind), r, len(of_kind)))
    return found


def compared_accuracy(table: pd.DataFrame) -> Figure | None:
    """One panel per kind of error, those of Ansuini et al. beside pretrained networks; None below two settings."""
    if len(table) < 2:
        return None
    kinds = correlations(table)
    figure, drawn = plt.subplots(1, len(kinds), figsize=(5.5 * len(kinds), 4), squeeze=False)
    for axes, correlation in zip(drawn[0], kinds, strict=True):
        if correlation.error_of == PUBLISHED_ERROR:
            _draw_published(axes)
        of_kind = table[table["error_of"] == correlation.error_of]
        axes.plot(of_kind["error"], of_kind["dimension"], "o", color="#0072B2", ms=5, label="here", zorder=3)
        for line in of_kind.itertuples():
            name = broken(str(line.setting).removeprefix("model.network.name="))
            axes.annotate(name, (line.error, line.dimension), xytext=(4, 3), textcoords="offset points", fontsize=6)
        axes.set(
            title=str(correlation), xlabel=correlation.error_of, ylabel="dimension of the last hidden layer (TwoNN)"
        )
        axes.legend(frameon=False, fontsize=7)
    return figure


def _draw_published(axes: plt.Axes) -> None:
    label, networks = published_networks()
    errors, dimensions = [network.error for network in networks], [network.dimension for network in networks]
    axes.errorbar(
        errors, dimensions, [network.standard_deviation for network in networks], color="#D55E00", ls="", marker="s",
        ms=5, mfc="white", elinewidth=0.8, label=f"{label}, digitised",
    )  # fmt: skip
    for network in networks:
        axes.annotate(
            network.name, (network.error, network.dimension), xytext=(4, -7), textcoords="offset points", fontsize=4,
            color="#D55E00",
        )  # fmt: skip


def _published_error(stored: DictConfig | None) -> float | None:
    """In percent, where the weights are the publisher's own and not a file's, whose accuracy is not known."""
    if stored is None or stored.get("published") is None or not _is_named(stored):
        return None
    accuracy = stored.published.accuracy_of_five
    # that of weights without a last layer is stored as NaN
    return None if accuracy is None or isnan(accuracy) else 100 * (1 - accuracy)


def _is_named(stored: DictConfig) -> bool:
    """Whether weights were given by name."""
    weights = stored.model.network.get("weights")
    return stored.get("state_dict") is None and weights is not None and Path(weights).suffix not in _FILES


def _validation_error(run: str) -> float | None:
    accuracy = last_values(read_metrics(run)).get("val/accuracy")
    return None if accuracy is None else 100 * (1 - accuracy)
