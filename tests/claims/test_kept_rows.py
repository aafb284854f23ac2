import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pdtrain.claims.declared import Claims
from pdtrain.claims.kept_rows import ROWS, RUNS, keep, restore
from pdtrain.claims.verdicts import judge
from pdtrain.errors import InputError
from pdtrain.results.run_folder import RunFolder
from pdtrain.results.status import write_status

_ID = "intrinsic_dimension/two_nn/"
_OTHER = "intrinsic_dimension/mle/"
_INFORMATION = "unit_information/mean/luminance"


def _claims() -> Claims:
    grows = {"of": "dimension", "layers": {"peak": 1}, "training": {"untrained": -1, "trained": 1}, "above": 0.1}
    return Claims.model_validate(
        {
            "level": 0.05,
            "fewest_seeds": 3,
            "fewest_layers": 4,
            "quantities": {
                "dimension": {"probe": "intrinsic_dimension", "quantity": "two_nn", "scale": "log"},
                "information": {"probe": "unit_information", "quantity": "mean", "properties": ["luminance"]},
            },
            "claims": {"grows": {"title": "It grows", "parts": {"peak": grows}}},
            "data_sets": {"made": {"main": {"experiment": "made"}, "other": {"experiment": "other"}}},
        }
    )


@pytest.fixture
def sweep(write_run: Callable[..., Path]) -> Path:
    flat = (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)
    for seed, factor in enumerate((1.9, 2.0, 2.1)):
        peaked = (10.0, 15.0, 20.0 * factor, 15.0, 6.0, 5.0)
        points = {(0, 0): flat, (0, 4): flat, (1, 9): flat, (2, 18): peaked, (3, 27): peaked}
        profiles: dict[Any, Any] = {
            point: {_ID: values, _OTHER: values, _INFORMATION: values} for point, values in points.items()
        }
        folder = write_run(profiles, seed=seed)
        write_run(profiles, seed=seed, experiment="of no interest")
    return folder.parent


def test_what_is_kept_is_judged_alike(sweep: Path, tmp_path: Path) -> None:
    keep([sweep], _claims(), tmp_path / "kept")
    restored = restore(tmp_path / "kept", tmp_path / "restored")

    assert sorted(run.name for run in restored) == ["made-0", "made-1", "made-2"]
    (of,), (before,) = judge(restored, _claims()), judge([sweep], _claims())
    now, then = of.verdicts[0], before.verdicts[0]
    assert now.verdict == then.verdict == "shown" and now.p_value == pytest.approx(then.p_value, rel=1e-3)
    assert now.parts["peak"].of_seeds == then.parts["peak"].of_seeds
    assert now.parts["peak"].effect.lower == pytest.approx(then.parts["peak"].effect.lower, rel=2e-3)


def test_no_more_is_kept_than_needed(sweep: Path, tmp_path: Path) -> None:
    keep([sweep], _claims(), tmp_path / "kept")

    (run, *_) = restore(tmp_path / "kept", tmp_path / "restored")

    rows = judge([run], _claims())[0].groups["main"].runs[0].every_row
    every = {"input", "relu1", "relu2", "relu3", "relu4", "output"}
    assert set(rows["quantity"]) == {"two_nn", "mean"}
    assert set(rows[rows["step"] == 27]["layer"]) == every
    between = rows[rows["step"] == 4]
    assert set(between[between["quantity"] == "mean"]["layer"]) == {"relu4"}, "between, the last hidden layer"
    assert set(between[between["quantity"] == "two_nn"]["layer"]) == every, "and of all layers what is little"


def test_what_a_control_learned_is_kept(write_run: Callable[..., Path], tmp_path: Path) -> None:
    flat = {_ID: (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)}
    for seed, accuracy in enumerate((0.99, 0.5)):
        folder = write_run({(0, 0): flat, (1, 9): flat}, seed=seed, shuffled=True)
        RunFolder(folder).wandb_lines.write_text(json.dumps({"train/accuracy_evaluated": accuracy}) + "\n")

    keep([folder.parent], _claims(), tmp_path / "kept")

    (of,) = judge(restore(tmp_path / "kept", tmp_path / "restored"), _claims())
    assert list(of.groups["main"].runs) == [0]
    assert "Not memorised" in next(iter(of.groups["main"].left_out.values()))


def test_of_a_run_that_is_not_finished_that_is_kept(sweep: Path, tmp_path: Path) -> None:
    write_status(sweep / "made-1", "running")

    keep([sweep], _claims(), tmp_path / "kept")

    (of,) = judge(restore(tmp_path / "kept", tmp_path / "restored"), _claims())
    assert list(of.groups["main"].runs) == [0, 2]
    assert "Not finished" in of.left_out()[str(tmp_path / "restored" / sweep.name / "made-1")]


def test_two_runs_of_one_name_are_not_mixed(write_run: Callable[..., Path], tmp_path: Path) -> None:
    flat = {_ID: (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)}
    one = write_run({(0, 0): flat, (1, 9): flat})
    other = write_run({(0, 0): flat, (1, 9): flat}, experiment="other")
    elsewhere = tmp_path / "elsewhere" / one.name
    elsewhere.parent.mkdir()
    other.rename(elsewhere)

    with pytest.raises(InputError, match="another folder has a run made-0 too"):
        keep([one, elsewhere], _claims(), tmp_path / "kept")


def test_runs_that_are_not_alike_are_not_kept(write_run: Callable[..., Path], tmp_path: Path) -> None:
    flat = {_ID: (10.0, 15.0, 20.0, 15.0, 12.0, 5.0)}
    for seed in range(2):
        folder = write_run({(0, 0): flat, (1, 9): flat}, seed=seed, more={"trainer": {"max_epochs": seed}})

    with pytest.raises(InputError, match="differ in more than their seeds"):
        keep([folder.parent], _claims(), tmp_path / "kept")


def test_files_from_elsewhere_are_data(sweep: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    keep([sweep], _claims(), kept)
    runs = json.loads((kept / RUNS).read_text())

    (kept / RUNS).write_text(json.dumps([runs[0] | {"run": "../../outside"}]))
    with pytest.raises(InputError, match="lies elsewhere"):
        restore(kept, tmp_path / "restored")
    assert not (tmp_path.parent / "outside").exists()

    (kept / ROWS).write_bytes((kept / ROWS).read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read"):
        restore(kept, tmp_path / "again")


def test_runs_that_no_claim_is_about_are_refused(write_run: Callable[..., Path], tmp_path: Path) -> None:
    folder = write_run({(0, 0): {_ID: (1.0,) * 6}}, experiment="of no interest")

    with pytest.raises(InputError, match="no run here"):
        keep([folder], _claims(), tmp_path / "kept")
