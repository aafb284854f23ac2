"""Probes recorded neurons, areas in place of layers."""

from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from pdtrain.commands.build import build_probes
from pdtrain.commands.probe_job import sole_prober
from pdtrain.errors import InputError
from pdtrain.probes.prober import measured_by
from pdtrain.report.point_table import point_tables
from pdtrain.responses.areas import measure_areas
from pdtrain.responses.table import read_responses, read_stimuli
from pdtrain.results.configuration import check_measured_alike, keep_configuration
from pdtrain.results.rows import UNTRAINED
from pdtrain.results.store import ResultsStore
from pdtrain.stimuli.identity import IDENTITY

_MEASURED_WITH = ("responses", "stimuli_table", "circular", "discrete", "areas", "neurons", "probes", "seed")


def probe_responses(config: DictConfig, console: Console) -> Path:
    """Measure recorded neurons; return the file written."""
    with sole_prober(config, config.out):
        return _probe(config, console)


def _probe(config: DictConfig, console: Console) -> Path:
    neural = read_responses(config.responses)
    columns = {"circular": config.circular, "discrete": config.discrete, "asked": _asked(config)}
    stimuli = read_stimuli(config.stimuli_table, neural.stimuli, **columns)
    _leave_out_unknown_properties(config, [*stimuli.parameters, IDENTITY], console)
    store = ResultsStore(config.out, probe_set=config.probe_set)
    probes = build_probes(config)
    found = measure_areas(neural, stimuli, probes, areas=config.areas, neurons=config.neurons, seed=config.seed)
    catalogue = measured_by(probes)
    check_measured_alike(store.folder, config, _MEASURED_WITH, probe_set=config.probe_set)
    keep_configuration(store.folder, config, _MEASURED_WITH)
    store.keep(catalogue)
    path = store.write(UNTRAINED, found.rows, found.unit_rows)
    for table in point_tables(UNTRAINED, found.rows, catalogue, width=console.width):
        console.print(table)
    console.print(f"rows: {path}", soft_wrap=True)
    return path


def _asked(config: DictConfig) -> list[str]:
    """Columns of the table of stimuli that probes are to measure, or to hold out parts of."""
    nodes = [node for node in config.probes.values() if isinstance(node, DictConfig)]
    return [name for node in nodes for name in (*(node.get("properties") or ()), node.get("held_out"))]


def _leave_out_unknown_properties(config: DictConfig, known: list[str], console: Console) -> None:
    """Of images they would be measured, which are not there: what the table of stimuli does not hold is not known."""
    for name, node in config.probes.items():
        if not isinstance(node, DictConfig) or "properties" not in node:
            continue
        unknown = [property for property in node.properties if property not in known]
        if unknown:
            console.print(f"not in the table of stimuli, left out: {', '.join(unknown)}", soft_wrap=True)
        node.properties = [property for property in node.properties if property in known]
        if not node.properties:
            raise InputError(f"stimuli_table={config.stimuli_table}: has none of probes.{name}.properties")
