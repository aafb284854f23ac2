"""Verdicts on made-up runs whose effects are known."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from pdtrain.claims.declared import Claims
from pdtrain.claims.verdicts import NOT_JUDGED, NOT_SHOWN, OPPOSITE, SHOWN, DataSetVerdicts, judge
from pdtrain.errors import InputError

_ID = "intrinsic_dimension/two_nn/"
_INFORMATION = "unit_information/mean/luminance"


def _claims(parts: dict[str, Any] | None = None, **more: Any) -> Claims:
    claim = {"title": "It is so", "parts": parts or {}, **more}
    return Claims.model_validate(
        {
            "level": 0.05,
            "fewest_seeds": 3,
            "fewest_layers": 4,
            "quantities": {
                "dimension": {"probe": "intrinsic_dimension", "quantity": "two_nn", "scale": "log"},
                "information": {"probe": "unit_information", "quantity": "mean", "properties": ["luminance"]},
            },
            "claims": {"claim": claim},
            "data_sets": {
                "made": {"main": {"experiment": "made"}, "other": {"experiment": "other"}},
                "absent": {"main": {"experiment": "absent"}},
            },
        }
    )


_PEAK_GROWS = {"of": "dimension", "layers": {"peak": 1}, "training": {"untrained": -1, "trained": 1}, "above": 0.1}


@pytest.fixture
def made(write_run: Callable[..., Path]) -> Callable[..., Path]:
    """Runs whose peak is 20 untrained, and so many times that trained."""

    def make(factors: list[float], **options: Any) -> Path:
        for seed, factor in enumerate(factors):
            flat = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)
            peaked = (10.0, 15.0, 20.0 * factor, 15.0, 6.0, 5.0)
            folder = write_run({(0, 0): {_ID: flat}, (1, 9): {_ID: flat}, (3, 27): {_ID: peaked}}, seed=seed, **options)
        return folder.parent

    return make


def _verdict(folder: Path, claims: Claims) -> Any:
    found: list[DataSetVerdicts] = judge([folder], claims)
    assert [of.data_set for of in found] == ["made"], "of what there are no runs nothing is said"
    return found[0].verdicts[0]


def test_an_effect_is_the_weighted_sum_of_logarithms(made: Callable[..., Path]) -> None:
    verdict = _verdict(made([1.9, 2.0, 2.1, 2.0]), _claims({"peak": _PEAK_GROWS}))

    part = verdict.parts["peak"]
    assert part.effect.value == pytest.approx(np.mean(np.log([1.9, 2.0, 2.1, 2.0])))
    assert part.of_seeds[2] == pytest.approx(math.log(2.1))
    assert part.effect.lower < math.log(2) < part.effect.upper


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([1.9, 2.0, 2.1, 2.0], SHOWN),
        ([1.05, 1.06, 1.04, 1.05], NOT_SHOWN),  # more than none, but not by a tenth
        ([0.5, 3.0, 0.7, 2.5], NOT_SHOWN),
        ([0.75, 0.76, 0.77, 0.75], OPPOSITE),
        ([1.9, 2.0], NOT_JUDGED),
        ([2.0, 2.0, 2.0], NOT_JUDGED),  # bit for bit alike: the seeds are none
    ],
)
def test_verdicts_are_those_of_effect_and_spread(
    made: Callable[..., Path], factors: list[float], expected: str
) -> None:
    verdict = _verdict(made(factors), _claims({"peak": _PEAK_GROWS}))

    assert verdict.verdict == expected


def test_stimuli_that_make_it_uncertain_leave_it_not_shown(made: Callable[..., Path]) -> None:
    folder = made([1.9, 2.0, 2.1, 2.0], error=0.4)
    # all layers go up and down together: an error that cancels in a difference would leave it shown
    only_trained = {"of": "dimension", "layers": {"peak": 1}, "training": {"trained": 1}, "above": 3.3}

    verdict = _verdict(folder, _claims({"peak": only_trained}))

    assert stats.ttest_1samp(list(verdict.parts["peak"].of_seeds.values()), 3.3, alternative="greater").pvalue < 0.05
    assert verdict.verdict == NOT_SHOWN
    assert _verdict(folder, _claims({"peak": _PEAK_GROWS})).verdict == SHOWN


def test_a_claim_holds_only_if_all_its_parts_do(made: Callable[..., Path]) -> None:
    folder = made([1.9, 2.0, 2.1, 2.0])
    # the last hidden layer is 12 untrained and 6 trained
    falls = {"of": "dimension", "layers": {"last": 1}, "training": {"untrained": -1, "trained": 1}, "below": -0.1}

    both = _verdict(folder, _claims({"peak": _PEAK_GROWS, "last": {**falls, "layers": {"last": 1, "first": -1}}}))
    assert both.verdict == NOT_JUDGED, "all seeds alike"
    assert both.why.startswith("last: ")


def test_a_peak_that_is_the_last_layer_is_no_contraction(write_run: Callable[..., Path]) -> None:
    for seed in range(3):
        rising = {_ID: (10.0, 15.0, 20.0, 25.0, 30.0 + seed, 5.0)}
        folder = write_run({(0, 0): rising, (1, 9): rising}, seed=seed)
    contraction = {"of": "dimension", "layers": {"peak": -1, "last": 1}, "training": {"trained": 1}, "below": -0.1}

    verdict = _verdict(folder.parent, _claims({"contraction": contraction}))

    assert verdict.verdict == NOT_SHOWN and verdict.p_value == 1
    assert verdict.parts["contraction"].notes == ("what is compared is the same layer in every seed",)


def test_values_that_are_missing_are_told_with_their_reason(write_run: Callable[..., Path]) -> None:
    for seed in range(3):
        values = (10.0, 15.0, 20.0, 15.0, math.nan, 5.0)
        folder = write_run({(0, 0): {_ID: values}, (1, 9): {_ID: values}}, seed=seed, note="too few points")
    last = {"of": "dimension", "layers": {"last": 1}, "training": {"trained": 1}, "above": 0}

    verdict = _verdict(folder.parent, _claims({"last": last}))

    assert verdict.verdict == NOT_JUDGED and "relu4: too few points" in verdict.why


def test_the_first_epoch_is_its_end(write_run: Callable[..., Path]) -> None:
    for seed in range(3):
        profiles = {
            (epoch, step): {_ID: (10.0, 15.0, 20.0, 15.0, last + 0.01 * seed, 5.0)}
            for (epoch, step), last in {(0, 0): 16.0, (0, 4): 1.0, (1, 9): 8.0, (1, 12): 1.0, (2, 18): 4.0}.items()
        }
        folder = write_run(profiles, seed=seed)
    part = {"of": "dimension", "layers": {"last": 1}, "training": {"untrained": -1, "first_epoch": 1}, "below": 0}

    verdict = _verdict(folder.parent, _claims({"last": part}))

    assert verdict.parts["last"].of_seeds[0] == pytest.approx(math.log(8 / 16))


def test_a_peak_is_not_found_where_it_is_measured(write_run: Callable[..., Path]) -> None:
    generator = np.random.default_rng(0)
    for seed in range(40):  # all hidden layers are as high as the input; whatever stands out is noise
        values = np.exp(0.3 * generator.standard_normal(6))
        values[0] = 1.0
        folder = write_run({(0, 0): {_ID: values.tolist()}, (1, 9): {_ID: values.tolist()}}, seed=seed)
    part = {"of": "dimension", "layers": {"input": -1, "peak": 1}, "training": {"trained": 1}, "above": 0}

    verdict = _verdict(folder.parent, _claims({"expansion": part}))

    # the largest of four such values is 0.31 above the mean
    assert abs(verdict.parts["expansion"].effect.value) < 0.15
    assert verdict.verdict == NOT_SHOWN


def test_groups_are_paired_by_seed(made: Callable[..., Path], write_run: Callable[..., Path]) -> None:
    folder = made([1.9, 2.0, 2.1, 2.0])
    for seed in range(3):
        flat = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)
        write_run({(0, 0): {_ID: flat}, (1, 9): {_ID: flat}}, seed=seed, experiment="other")

    verdict = _verdict(folder, _claims({"peak": _PEAK_GROWS | {"groups": {"main": 1, "other": -1}}}))

    part = verdict.parts["peak"]
    assert set(part.of_seeds) == {0, 1, 2} and "main, seed 3: left out, not in every group" in part.notes
    assert part.of_seeds[0] == pytest.approx(math.log(1.9))


def test_a_control_that_is_none_is_left_out_and_said(write_run: Callable[..., Path]) -> None:
    flat = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)
    for seed in range(3):
        folder = write_run({(0, 0): {_ID: flat}, (1, 9): {_ID: flat}}, seed=seed, shuffled=True)

    found = judge([folder.parent], _claims({"peak": _PEAK_GROWS}))[0]

    assert not found.groups["main"].runs and found.verdicts[0].verdict == NOT_JUDGED
    assert "Memorising unknown" in found.groups["main"].left_out[str(folder)]


def test_the_same_seed_twice_is_refused(made: Callable[..., Path], tmp_path: Path) -> None:
    folder = made([1.9, 2.0, 2.1])

    with pytest.raises(InputError, match="are both of seed 0"):
        judge([folder, folder], _claims({"peak": _PEAK_GROWS}))
    with pytest.raises(InputError, match="no run here is one that the claims are about"):
        judge([tmp_path / "nothing"], _claims({"peak": _PEAK_GROWS}))


def _runs_that_change(write_run: Callable[..., Path], *, coupled: bool, seeds: int = 8) -> Path:
    generator = np.random.default_rng(3)
    for seed in range(seeds):
        changes = generator.standard_normal(4)
        others = -changes if coupled else generator.standard_normal(4)
        before = {_ID: (10.0,) * 6, _INFORMATION: (0.5,) * 6}
        after = {
            _ID: (10.0, *(10 * np.exp(changes)), 5.0),
            _INFORMATION: (0.5, *(0.5 + 0.1 * others + 0.02 * generator.standard_normal(4)), 0.1),
        }
        folder = write_run({(0, 0): before, (1, 9): after}, seed=seed)
    return folder.parent


def test_quantities_that_change_together_within_seeds_are_told_from_those_that_do_not(
    write_run: Callable[..., Path],
) -> None:
    correlation = {"of": ["dimension", "information"], "below": 0}

    folder = _runs_that_change(write_run, coupled=True)
    coupled = _verdict(folder, _claims(correlation=correlation))
    assert coupled.verdict == SHOWN and coupled.together.effect.value < -0.8
    assert abs(coupled.together.between) < 0.3
    contrary = {"of": ["dimension", "information"], "above": 0}
    assert _verdict(folder, _claims(correlation=contrary)).verdict == OPPOSITE

    apart = _verdict(_runs_that_change(write_run, coupled=False), _claims(correlation=correlation))
    assert apart.verdict == NOT_SHOWN


def test_what_all_seeds_share_is_no_coupling(write_run: Callable[..., Path]) -> None:
    """The profile of the architecture makes a correlation between any two seeds."""
    generator = np.random.default_rng(3)
    shared = np.array([1.0, 0.3, -0.5, -1.0])
    for seed in range(8):
        dimension, information = (shared + 0.3 * generator.standard_normal(4) for _ in range(2))
        before = {_ID: (10.0,) * 6, _INFORMATION: (0.5,) * 6}
        after = {_ID: (10.0, *(10 * np.exp(dimension)), 5.0), _INFORMATION: (0.5, *(0.5 - 0.1 * information), 0.1)}
        folder = write_run({(0, 0): before, (1, 9): after}, seed=seed)

    verdict = _verdict(folder.parent, _claims(correlation={"of": ["dimension", "information"], "below": 0}))

    assert verdict.together.effect.value < -0.7 and verdict.together.between < -0.7
    assert verdict.verdict == NOT_SHOWN


def test_over_few_layers_a_correlation_is_descriptive(write_run: Callable[..., Path]) -> None:
    claims = _claims(correlation={"of": ["dimension", "information"], "below": 0})
    folder = _runs_that_change(write_run, coupled=True)

    verdict = _verdict(folder, claims.model_copy(update={"fewest_layers": 5}))

    assert verdict.verdict == NOT_JUDGED and verdict.why == "descriptive: over 4 layers, fewer than 5"


def test_among_many_claims_of_nothing_hardly_one_is_shown(write_run: Callable[..., Path]) -> None:
    """Holm's correction: of 40 data sets of six claims each in which nothing is, about 2 have a wrong verdict."""
    generator = np.random.default_rng(5)
    names = [f"probe/quantity/{number}" for number in range(6)]
    claims = {
        name: {
            "title": "Nothing",
            "parts": {"part": {"of": name, "layers": {"last": 1}, "training": {"trained": 1}, "above": 0}},
        }
        for name in names
    }
    quantities = {name: {"probe": "probe", "quantity": "quantity", "properties": [name[-1]]} for name in names}
    wrong = 0
    for number in range(40):
        for seed in range(5):
            values = {name: (1.0, 1.0, 1.0, 1.0, float(generator.standard_normal()), 1.0) for name in names}
            folder = write_run({(1, 9): values}, seed=seed, experiment=f"made{number}", error=1e-6)
        every = Claims.model_validate(
            {
                "level": 0.05, "fewest_seeds": 3, "fewest_layers": 4, "quantities": quantities, "claims": claims,
                "data_sets": {"made": {"main": {"experiment": f"made{number}"}}},
            }
        )  # fmt: skip
        runs = sorted(folder.parent.glob(f"made{number}-*"))
        wrong += any(v.verdict in (SHOWN, OPPOSITE) for v in judge(runs, every)[0].verdicts)

    assert wrong <= 6, "more than that would be with a probability below 1%"
