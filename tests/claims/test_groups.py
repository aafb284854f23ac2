"""Runs of a group differ in their seeds alone; what else differs is left out or refused, and said."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pdtrain.claims.contrasts import contrast
from pdtrain.claims.declared import Part, Quantity
from pdtrain.claims.groups import Group, groups_of
from pdtrain.errors import InputError
from pdtrain.results.status import write_status

_ID = "intrinsic_dimension/two_nn/"
_FLAT: dict[tuple[int, int], Any] = {
    point: {_ID: (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)} for point in ((0, 0), (1, 9), (2, 18))
}
_WANTED = {"main": {"experiment": "made"}, "other": {"experiment": "other"}}
_DIMENSION = Quantity(probe="intrinsic_dimension", quantity="two_nn", scale="log")
_DIFFERENCE = Part(
    of="dimension", layers={"last": 1.0}, training={"trained": 1.0}, groups={"main": 1.0, "other": -1.0}, above=0.0
)


def _groups(folder: Path) -> dict[str, Group]:
    return groups_of([folder.parent], _WANTED)


def test_a_run_that_is_not_finished_is_left_out_and_said(write_run: Callable[..., Path]) -> None:
    for seed, state in enumerate(("finished", "finished", "running", "preempted")):
        folder = write_run(_FLAT, seed=seed)
        write_status(folder, state)

    main = _groups(folder)["main"]

    assert list(main.runs) == [0, 1]
    assert len(main.left_out) == 2 and all("Not finished" in why for why in main.left_out.values())


def test_runs_that_differ_in_more_than_their_seeds_are_refused(write_run: Callable[..., Path]) -> None:
    write_run(_FLAT, seed=0, more={"trainer": {"max_epochs": 8}})
    folder = write_run(_FLAT, seed=1, more={"trainer": {"max_epochs": 2}})

    with pytest.raises(InputError, match=r"differ in more than their seeds: trainer.max_epochs=8 and 2"):
        _groups(folder)


def test_runs_measured_at_other_layers_are_refused(write_run: Callable[..., Path]) -> None:
    write_run(_FLAT, seed=0)
    folder = write_run(_FLAT, seed=1, layers=("input", "relu1", "relu2", "relu3", "pool4", "output"))

    with pytest.raises(InputError, match=r"layers input, .*relu4, output and input, .*pool4, output"):
        _groups(folder)


def test_runs_measured_by_other_estimators_are_refused(write_run: Callable[..., Path]) -> None:
    write_run(_FLAT, seed=0)
    folder = write_run(_FLAT, seed=1, version=2)

    with pytest.raises(InputError, match=r"group main: .*intrinsic_dimension 1; intrinsic_dimension 2"):
        _groups(folder)


def test_groups_measured_by_different_estimators_have_no_difference(write_run: Callable[..., Path]) -> None:
    for seed in range(3):
        write_run(_FLAT, seed=seed)
        folder = write_run(_FLAT, seed=seed, experiment="other", version=2)

    found = contrast(_DIFFERENCE, _DIMENSION, _groups(folder))

    assert found.effect.seeds == 0 and "measured by different estimators" in found.notes[0]


def test_a_part_without_its_control_says_why(write_run: Callable[..., Path]) -> None:
    for seed in range(3):
        folder = write_run(_FLAT, seed=seed)
    assert contrast(_DIFFERENCE, _DIMENSION, _groups(folder)).notes == ("other: no such run",)

    for seed in range(3):  # nobody knows whether they were memorised
        write_run(_FLAT, seed=seed, experiment="other", shuffled=True)
    (note,) = contrast(_DIFFERENCE, _DIMENSION, _groups(folder)).notes
    assert note.startswith("other: all its 3 runs are left out. Memorising unknown")


def test_weights_from_elsewhere_are_found_beside_trainings(write_run: Callable[..., Path]) -> None:
    folder = write_run({(0, 0): _FLAT[0, 0], (1, 1): _FLAT[0, 0]}, probe_set="probe", more={"untrained": True})

    assert list(_groups(folder)["main"].runs) == [0]
