"""Every claim of the finding comes out with the sign of a truth that is known, on both sides."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdtrain.claims.declared import read_claims
from pdtrain.claims.verdicts import NOT_JUDGED, OPPOSITE, SHOWN, judge

_Profile = tuple[float, ...]  # input, four hidden layers, output
_DIMENSION: _Profile = (10.0, 11.0, 13.0, 12.0, 10.0, 5.0)
_INFORMATION: _Profile = (0.9, 0.30, 0.28, 0.26, 0.25, 0.1)
_OBJECTS: _Profile = (0.2, 0.20, 0.25, 0.28, 0.30, 0.4)
_UNTRAINED = (_DIMENSION, _INFORMATION, _OBJECTS)
# what training makes of them: after the first epoch, and at the end
_EXPANDS_AND_PRUNES = (
    ((10.0, 14.0, 25.0, 14.0, 5.0, 5.0), _INFORMATION, _OBJECTS),
    ((10.0, 15.0, 30.0, 15.0, 4.0, 5.0), (0.9, 0.25, 0.10, 0.15, 0.12, 0.1), (0.2, 0.20, 0.4, 0.6, 0.8, 0.9)),
)
_SHRINKS_AND_GAINS = (
    ((10.0, 9.0, 9.5, 9.0, 10.1, 5.0), _INFORMATION, _OBJECTS),
    ((10.0, 9.0, 9.5, 9.0, 8.0, 5.0), (0.9, 0.25, 0.30, 0.30, 0.40, 0.5), (0.2, 0.30, 0.3, 0.2, 0.1, 0.9)),
)
_CHANGES_LITTLE = ((_DIMENSION, _INFORMATION, _OBJECTS),) * 2
_POINTS = ((1, 9), (3, 27))


@pytest.fixture
def verdicts(write_run: Callable[..., Path]) -> Callable[..., dict[str, str]]:
    """Verdicts by claim, of five seeds of each group, each of whose values varies by a hundredth."""
    claims = read_claims()
    generator = np.random.default_rng(0)

    def rows(of_quantities: Sequence[_Profile]) -> dict[str, Any]:
        dimension, information, objects = of_quantities
        made: dict[str, Any] = {}
        for name, quantity in claims.quantities.items():
            values = objects if name in ("object_information", "discriminability") else information
            values = dimension if name == "dimension" else values
            for about in quantity.properties:
                varied = np.array(values) * np.exp(0.01 * generator.standard_normal(len(values)))
                made.setdefault(f"{quantity.probe}/{quantity.quantity}/{about}", varied.tolist())
        return made

    def judged(trained: Mapping[str, Sequence[Sequence[_Profile]]]) -> dict[str, str]:
        for experiment, points in trained.items():
            for seed in range(5):
                after = {point: rows(of_point) for point, of_point in zip(_POINTS, points, strict=True)}
                folder = write_run({(0, 0): rows(_UNTRAINED)} | after, seed=seed, experiment=experiment, error=0.001)
        (of,) = judge([folder.parent], claims)
        return {verdict.name.partition("_")[0]: verdict.verdict for verdict in of.verdicts}

    return judged


def test_what_is_claimed_is_shown_where_it_is_true(verdicts: Callable[..., dict[str, str]]) -> None:
    found = verdicts(
        {
            "prune_and_distill": _EXPANDS_AND_PRUNES,
            "prune_and_distill_twin": _EXPANDS_AND_PRUNES,
            "prune_and_distill_shuffled": _CHANGES_LITTLE,
        }
    )

    # over four layers a correlation is descriptive
    assert found == dict.fromkeys("12346", SHOWN) | {"5": NOT_JUDGED}


def test_the_contrary_is_called_opposite(verdicts: Callable[..., dict[str, str]]) -> None:
    found = verdicts(
        {
            "prune_and_distill": _SHRINKS_AND_GAINS,
            "prune_and_distill_twin": _CHANGES_LITTLE,
            "prune_and_distill_shuffled": _EXPANDS_AND_PRUNES,
        }
    )

    assert found == dict.fromkeys("12346", OPPOSITE) | {"5": NOT_JUDGED}
