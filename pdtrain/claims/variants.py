"""Claims with one factor changed: what is measured otherwise, or other runs, in place of what is claimed."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from pdtrain.claims.declared import MAIN, Claims, Declared, Quantity, read_declared
from pdtrain.errors import InputError, unknown_name
from pdtrain.results.run_folder import TRAINING


class Variant(Declared):
    """What differs from the claims.

    Attributes
    ----------
    probe
        Overrides of `pdtrain-probe`, by which it is measured; none where the rows of training do.
    quantities
        Of each quantity what is put in its place.
    main
        Other runs.
    """

    probe: list[str] = Field(default_factory=list)
    quantities: dict[str, dict[str, Any]] = Field(default_factory=dict)
    main: dict[str, Any] | None = None

    @property
    def probe_set(self) -> str:
        """Name of its rows.

        Examples
        --------
        >>> Variant(probe=["layers.names=[input,norm*]"]).probe_set
        'robustness_layers_names_input_norm'
        """
        return "_".join(["robustness", *re.findall(r"\w+", " ".join(self.probe))]) if self.probe else TRAINING


class Robustness(Declared):
    """Which claims of which data set are judged again, and how."""

    claims: list[str] = Field(min_length=1)
    data_set: str
    variants: dict[str, Variant]


def read_robustness(path: str | Path | None = None) -> Robustness:
    """Read a file of variants; None reads pdtrain's own.

    Examples
    --------
    >>> "as claimed" in read_robustness().variants
    True
    """
    return read_declared(Robustness, path, key="robustness", own="robustness.yaml")


def varied(claims: Claims, robustness: Robustness, name: str) -> Claims:
    """The claims of a variant, on its data set alone; what stands beside is left out.

    Raises
    ------
    InputError
        For a claim, a data set or a quantity that the claims do not have, or one that cannot be as it is put.
    """
    variant = robustness.variants[name]
    at = f"robustness: variants.{name}"
    for known, given, of in (
        (claims.claims, robustness.claims, "claim"),
        (claims.data_sets, [robustness.data_set], "data set"),
        (claims.quantities, variant.quantities, "quantity"),
    ):
        for one in given:
            if one not in known:
                raise unknown_name(at, one, known, of=of)
    groups: Mapping[str, Mapping[str, Any]] = claims.data_sets[robustness.data_set]
    main = groups[MAIN] if variant.main is None else variant.main
    try:
        changed = {of: Quantity(**claims.quantities[of].model_dump() | new) for of, new in variant.quantities.items()}
    except ValidationError as error:
        raise InputError(f"{at}.quantities: {error.errors()[0]['msg']}") from error
    return claims.model_copy(
        update={
            "quantities": claims.quantities | changed,
            "claims": {of: claims.claims[of].model_copy(update={"beside": {}}) for of in robustness.claims},
            "data_sets": {robustness.data_set: {MAIN: main}},
        }
    )
