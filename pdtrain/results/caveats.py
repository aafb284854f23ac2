"""What the numbers of a run do not say themselves: that a control has not memorised, or that a network is dead.

The one home of these rules. Terminal, report, comparison and W&B say the sentences, and decide nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from pdtrain.results.catalogue import Catalogue
from pdtrain.results.configuration import load_configuration, probe_set_configuration
from pdtrain.results.measures import (
    AT_FIXED_IDENTITY,
    BATCH_DEPENDENCE,
    PAIR,
    RANDOM,
    SILENT_FRACTION,
    SILENT_UNITS,
    words,
)
from pdtrain.results.metrics import TRAINING_ACCURACIES, last_values, read_metrics
from pdtrain.results.rows import ProbePoint
from pdtrain.results.run_folder import TRAINING, RunFolder
from pdtrain.results.versions import mixed_estimators
from pdtrain.stimuli.identity import IDENTITY

MEMORISED = 0.95  # training accuracy from which on shuffled labels count as learned by heart
DEAD_NETWORK = "dead network"  # kind of a caveat
UNSTEADY = "depends on the batch"  # kind of a caveat
DEAD = 0.9  # share of a hidden layer's sampled units that are silent from which on a network counts as dead
_SILENCE = (SILENT_UNITS, SILENT_FRACTION)  # rows of before 0.2.0 have the latter alone
_MOST_NAMED = 4
_AVERAGING = (".EMAWeightAveraging", ".WeightAveraging")  # Lightning's
_SLACK = 1e-9  # 9 of 10 units are 90%, however they are rounded


@dataclass(frozen=True)
class Caveat:
    """Something that a reader of a run's numbers must know.

    Attributes
    ----------
    kind
        In a few words, as a tag: "not memorised", "memorising unknown", "averaged weights", "dead network", "depends on
        the batch" or "mixed estimators".
    sentence
        What is the matter, where, and what helps.
    """

    kind: str
    sentence: str


def caveats_of_run(run_dir: str | Path, rows: pd.DataFrame | None, *, probe_set: str = TRAINING) -> list[Caveat]:
    """All there is to say of a run and the rows of one of its probe sets; None is a run without probes."""
    training, _ = _configurations(run_dir, probe_set)
    return caveats_of(rows, training, read_metrics(run_dir))


def label_note_of_run(run_dir: str | Path, rows: pd.DataFrame, *, probe_set: str = TRAINING) -> str | None:
    """As `label_note`, of the rows of a probe set of a run."""
    return label_note(rows, *_configurations(run_dir, probe_set))


def caveats_of(
    rows: pd.DataFrame | None, config: DictConfig | None, metrics: pd.DataFrame | None = None
) -> list[Caveat]:
    """As `caveats_of_run`, of rows, configuration and logged metrics that have been read.

    Parameters
    ----------
    rows
        Of any number of epochs, as `pdtrain.results.load` gives them.
    config
        Configuration of the training.
    metrics
        As `read_metrics` gives them; None where no logger kept any.
    """
    found = [] if config is None else [*_memorising(rows, config, last_values(metrics)), *_averaged(config)]
    if rows is not None:
        of_epochs: dict[int, list[Any]] = {}
        of_silence: Iterable[Any] = pd.concat([measure.rows(rows) for measure in _SILENCE]).itertuples()
        for row in of_silence:
            of_epochs.setdefault(row.epoch, []).append(row)
        found += _dead({epoch: silent for epoch in sorted(of_epochs) if (silent := silent_layers(of_epochs[epoch]))})
        found += _unsteady(BATCH_DEPENDENCE.rows(rows).itertuples())
        found += mixes_in(rows)
    return found


def mixes_in(rows: pd.DataFrame) -> list[Caveat]:
    """What there is to say of rows, of one run or several, that different estimators made."""
    return [Caveat("mixed estimators", f"Mixed estimators: {sentence}.") for sentence in mixed_estimators(rows)]


def not_estimated(rows: pd.DataFrame, catalogue: Catalogue) -> list[str]:
    """A sentence for each measure that figures would show, about each property, and has no value: what, and why."""
    missing: dict[tuple[str, str], list[str]] = {}
    of_layers = rows[rows.layer != ""]
    for measure in catalogue:
        along_depth = measure.figure and measure.per != PAIR
        of_measure = measure.rows(of_layers) if along_depth else rows[:0]
        for about, of_property in of_measure.groupby("property", sort=False):
            if of_property.value.notna().any():
                continue
            why = next((note.partition("; ")[2] or note for note in of_property.note if note), "")
            what = measure.probe + (AT_FIXED_IDENTITY if measure.quantity.endswith(AT_FIXED_IDENTITY) else "")
            missing.setdefault((what, why), []).append(str(about))
    return [_missing(what, why, about) for (what, why), about in missing.items()]


def _missing(what: str, why: str, about: Sequence[str]) -> str:
    named = words(what)
    if any(about):
        named += f" about {', '.join(dict.fromkeys(map(words, about)))}"
    return f"Not estimated: {named} ({why})."


def caveats_at(point: ProbePoint, rows: Sequence[Any]) -> list[Caveat]:
    """What there is to say of the rows of one probe point alone."""
    silent = silent_layers(rows)
    dead = _dead({point.epoch: silent}) if silent else []
    return [*dead, *_unsteady(row for row in rows if BATCH_DEPENDENCE.fits(row))]


def silent_layers(rows: Iterable[Any]) -> dict[str, float]:
    """Hidden layers of a dead network with their share of silent units; none where the network lives.

    Input and output are not hidden: a pixel may be the same in all stimuli, and a logit is no unit that could die.
    """
    found: dict[str, float] = {}
    for row in rows:
        if is_dead(row):
            found[row.layer] = max(row.value, found.get(row.layer, 0.0))
    return found


def is_dead(row: Any) -> bool:
    """Whether a row says that nearly all units of a hidden layer are silent."""
    of_silence = any(measure.fits(row) for measure in _SILENCE)
    return of_silence and 0 < row.depth < 1 and row.value >= DEAD - _SLACK


def label_note(rows: pd.DataFrame, training: DictConfig | None, measured: DictConfig | None) -> str | None:
    """Which labels identity, object information and discriminability refer to; None unless some were shuffled.

    Parameters
    ----------
    rows
        What was measured.
    training, measured
        Configurations of what was trained, and of what was measured.
    """
    if measured is None or not (rows.property == IDENTITY).any():
        return None
    refer = "Identity, object information and discriminability refer here to "
    if _is_shuffled(training):
        return f"This network was trained on shuffled labels. {refer}{_labels_of(measured)}"
    if _is_shuffled(measured) and "shuffled labels" in _labels_of(measured):
        return f"{refer}shuffled labels, on which this network was not trained."
    return None


def _configurations(run_dir: str | Path, probe_set: str) -> tuple[DictConfig | None, DictConfig | None]:
    """Of what was trained, and of what was measured: each stands for the other where it is not known."""
    training = load_configuration(run_dir)
    measured = probe_set_configuration(RunFolder(run_dir).results(probe_set))
    return (training if training is not None else measured, measured if measured is not None else training)


def _labels_of(config: DictConfig) -> str:
    source = str(OmegaConf.select(config, "stimuli._target_"))
    if not source.startswith("pdtrain.stimuli.sources."):
        return "the labels that the stimuli came with."
    if source != "pdtrain.stimuli.sources.training":
        return (
            "the true labels of stimuli that it was not trained on, not to what it was to learn by heart; "
            "stimuli=training shows it the images and labels that it was trained on."
        )
    if config.stimuli.get("labels", "trained") == "trained" and _is_shuffled(config):
        return "the shuffled labels of the images that it was trained on: to what it was to learn by heart."
    return "the true labels of the images that it was trained on under others."


def _is_shuffled(config: DictConfig | None) -> bool:
    return config is not None and bool(OmegaConf.select(config, "data.shuffled_labels"))


def _memorising(rows: pd.DataFrame | None, config: DictConfig, last: Mapping[str, float]) -> list[Caveat]:
    if not _is_shuffled(config):
        return []
    name = next((name for name in TRAINING_ACCURACIES if name in last), None)
    if name is None:
        if rows is None or rows.epoch.max() == 0:  # nothing has been trained yet
            return []
        return [
            Caveat(
                "memorising unknown",
                "Memorising unknown: trained on shuffled labels, but no logger kept the training accuracy; logger=csv "
                "does.",
            )
        ]
    if last[name] >= MEMORISED:
        return []
    return [
        Caveat(
            "not memorised",
            f"Not memorised: trained on shuffled labels, but its training accuracy is {_percent(last[name])} "
            f"({TRAINING_ACCURACIES[name]}), below {_percent(MEMORISED)}. Nothing here shows what memorising does; "
            "train longer, on fewer images or at a lower rate, as experiment=shuffled_labels does.",
        )
    ]


def _averaged(config: DictConfig) -> list[Caveat]:
    callbacks = OmegaConf.to_container(config.get("callbacks") or OmegaConf.create())
    assert isinstance(callbacks, dict)
    targets = [str(node.get("_target_")) for node in callbacks.values() if isinstance(node, dict)]
    if not any(target.endswith(_AVERAGING) for target in targets):
        return []
    return [
        Caveat(
            "averaged weights",
            "Averaged weights: what is probed, validated and kept is the average that callbacks.averaging makes of the "
            "weights while they are trained.",
        )
    ]


def _dead(points: Mapping[int, Mapping[str, float]]) -> list[Caveat]:
    """What there is to say of epochs and their silent layers."""
    if not points:
        return []
    shares: dict[str, float] = {}
    for silent in points.values():
        shares |= {layer: max(share, shares.get(layer, 0.0)) for layer, share in silent.items()}
    mend = " Lower optimizer.lr." if max(points) else ""
    untrained = " All indices of pruning compare with epoch 0, and say nothing either." if 0 in points else ""
    named = _named({layer: _percent(share) for layer, share in shares.items()})
    return [
        Caveat(
            DEAD_NETWORK,
            f"Dead network at {_epochs(sorted(points))}: of the sampled units these answer alike to all stimuli: "
            f"{named}. Dimension, information and indices there say nothing of what a network learns."
            f"{untrained}{mend}",
        )
    ]


def _unsteady(rows: Iterable[Any]) -> list[Caveat]:
    """What there is to say of layers whose responses depend on more than the stimulus."""
    shares: dict[str, float] = {}
    notes = set()
    for row in rows:
        shares[row.layer] = max(row.value, shares.get(row.layer, 0.0))
        notes.add(row.note)
    if not shares:
        return []
    named = _named({layer: f"{share:.1%}" for layer, share in shares.items()})
    changes = f"responses change by a share of what varies between stimuli ({named})"
    if RANDOM in notes:
        why = f"Random in evaluation mode: shown twice, {changes}. Values hold this noise, and no second measurement"
        mend = "gives them again; leave out what draws at random while the network evaluates, such as dropout"
    else:
        why = f"Depends on the batch: shown {min(notes)}, {changes}. Values there depend on layers.batch_size and on"
        mend = "which stimuli are shown together; normalize by statistics that are kept (track_running_stats=true)"
    return [Caveat(UNSTEADY, f"{why} {mend}.")]


def _named(shares: Mapping[str, str]) -> str:
    """The first layers with their shares, and how many more there are."""
    named = [f"{layer} {share}" for layer, share in shares.items()][:_MOST_NAMED]
    return ", ".join(named) + (f" and {len(shares) - len(named)} more layers" if len(shares) > len(named) else "")


def _epochs(epochs: Sequence[int]) -> str:
    """Epochs in words, runs of consecutive ones shortened."""
    starts = [epochs[0], *(b for a, b in pairwise(epochs) if b != a + 1)]
    ends = [*(a for a, b in pairwise(epochs) if b != a + 1), epochs[-1]]
    parts = [str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True)]
    word = "epoch" if len(epochs) == 1 else "epochs"
    return f"{word} {', '.join(parts)}" + (" (0 is untrained)" if 0 in epochs else "")


def _percent(share: float) -> str:
    """A share in whole percent, rounded down: 94.9% is not 95%."""
    return f"{int(100 * share + _SLACK)}%"
