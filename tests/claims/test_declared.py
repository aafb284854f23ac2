from pathlib import Path
from typing import Any

import pytest
import yaml

from pdtrain.claims.declared import read_claims
from pdtrain.errors import InputError

_SMALL: dict[str, Any] = {
    "level": 0.05,
    "fewest_seeds": 3,
    "fewest_layers": 3,
    "quantities": {"dimension": {"probe": "intrinsic_dimension", "quantity": "two_nn", "scale": "log"}},
    "claims": {
        "grows": {
            "title": "It grows",
            "parts": {"peak": {"of": "dimension", "layers": {"peak": 1}, "training": {"trained": 1}, "above": 0}},
        }
    },
    "data_sets": {"made": {"main": {"experiment": "made"}}},
}


def _changed(path: str, value: Any) -> dict[str, Any]:
    changed: dict[str, Any] = yaml.safe_load(yaml.safe_dump(_SMALL))
    *keys, last = path.split(".")
    node = changed
    for key in keys:
        node = node[key]
    if value is None:
        del node[last]
    else:
        node[last] = value
    return changed


def test_pdtrains_own_claims_are_those_of_the_finding() -> None:
    claims = read_claims()

    assert len(claims.claims) == 6
    assert claims.quantities["information"].properties[0] == "luminance@receptive_field"
    assert not any(claim.exploratory for claim in claims.claims.values())


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("claims.grows.parts.peak.of", "dimensions", "no such quantity; did you mean dimension?"),
        ("claims.grows.parts.peak.layers", {"middle": 1}, "claims.grows.parts.peak.layers.middle"),
        ("claims.grows.parts.peak.layers", {}, "claims.grows.parts.peak.layers"),
        ("claims.grows.parts.peak.layers", {"peak": float("nan")}, "finite"),
        ("claims.grows.parts.peak.training", {"later": 1}, "claims.grows.parts.peak.training.later"),
        ("claims.grows.parts.peak.groups", {"others": 1}, "no such group of runs"),
        ("claims.grows.parts.peak.below", 1, "give one of above and below"),
        ("claims.grows.parts.peak.above", None, "give one of above and below"),
        ("claims.grows.parts.peak.above", "much", "valid number"),
        ("claims.grows.parts", {}, "give parts, or a correlation"),
        ("claims.grows.titel", "It grows", "titel"),
        ("quantities.dimension.scale", "cubic", "quantities.dimension.scale"),
        ("quantities.dimension.properties", [], "quantities.dimension.properties"),
        ("level", 2, "level"),
        ("fewest_seeds", 0, "fewest_seeds"),
        ("data_sets", ["made"], "data_sets"),
        ("quantities", None, "quantities"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(tmp_path: Path, path: str, value: Any, said: str) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text(yaml.safe_dump(_changed(path, value)))

    with pytest.raises(InputError) as raised:
        read_claims(file)

    assert said in str(raised.value) and f"claims={file}" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"a: [", b"\xff\xfe", b"!!python/object/apply:os.system ['true']"])
def test_what_is_no_file_of_claims_is_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "claims.yaml"
    file.write_bytes(content)

    for path in (file, tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(InputError, match="claims="):
            read_claims(path)
