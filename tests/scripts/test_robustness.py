import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

import robustness
from pdtrain.claims.declared import read_claims
from pdtrain.claims.variants import read_robustness, varied
from pdtrain.commands.train import train
from pdtrain.errors import InputError

_VARIANTS = {
    "claims": ["1_expansion_and_contraction"],
    "data_set": "rendered objects",
    "variants": {
        "as claimed": {},
        "8 units": {
            "probe": ["layers.max_units=8", "probes.intrinsic_dimension.estimators=[two_nn,participation_ratio]"]
        },
        "participation ratio": {
            "probe": ["layers.max_units=8", "probes.intrinsic_dimension.estimators=[two_nn,participation_ratio]"],
            "quantities": {"dimension": {"quantity": "participation_ratio"}},
        },
        "others": {"main": {"experiment": "other"}},
    },
}


@pytest.mark.usefixtures("undrawn")
def test_each_variant_is_measured_once_and_judged(
    configure: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "variants.yaml"
    file.write_text(yaml.safe_dump(_VARIANTS))
    config = configure("probes.unit_information=null", "probes.object_information=null", run="sweep/0")
    OmegaConf.update(config, "choices", {"experiment": "prune_and_distill"}, force_add=True)
    train(config)

    found = robustness.main([str(tmp_path / "sweep")], tmp_path / "table.csv", file)

    expansion = found[found["part"] == "expansion"].set_index("variant")["effect"]
    assert set(expansion.index) == {"as claimed", "8 units", "participation ratio"}
    assert expansion["as claimed"] == pytest.approx(expansion["8 units"]), "dimension is not of sampled units"
    assert math.isfinite(expansion["participation ratio"])
    assert expansion["participation ratio"] != pytest.approx(expansion["as claimed"])
    assert list(found[found["variant"] == "others"]["verdict"]) == ["no such runs"]

    def measured(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("pdtrain.commands.probe_job.ProbeJob.measure", measured)
    again = robustness.main([str(tmp_path / "sweep")], None, file)
    pd.testing.assert_frame_equal(found, again)


def test_pdtrains_own_variants_are_of_the_claims() -> None:
    claims, own = read_claims(), read_robustness()

    for name in own.variants:
        assert list(varied(claims, own, name).claims) == ["1_expansion_and_contraction", "3_pruning_and_distillation"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"claims": ["7_more"]}, "no such claim"),
        ({"data_set": "rendered object"}, "did you mean rendered objects?"),
        ({"variants": {"v": {"quantities": {"dimensions": {}}}}}, "no such quantity"),
        ({"variants": {"v": {"quantities": {"dimension": {"scale": "cubic"}}}}}, "Input should be"),
    ],
)
def test_what_is_wrong_in_variants_is_said(tmp_path: Path, change: dict, said: str) -> None:
    file = tmp_path / "variants.yaml"
    file.write_text(yaml.safe_dump(_VARIANTS | {"variants": {"v": {}}} | change))
    wrong = read_robustness(file)

    with pytest.raises(InputError) as raised:
        varied(read_claims(), wrong, "v")

    assert said in str(raised.value)
