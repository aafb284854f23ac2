"""What is claimed, read from a YAML file such as conf/claims.yaml: data, checked, and nothing in it is executed."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from omegaconf import OmegaConf
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError, model_validator

from pdtrain.errors import InputError, first_line, unknown_name

MAIN = "main"  # the group of runs that a part is about unless it names others
Place = Literal["input", "first", "peak", "last"]
Time = Literal["untrained", "first_epoch", "trained"]


class Declared(BaseModel):
    """What a file declares: values of the kinds that are said, and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Quantity(Declared):
    """What is measured: the mean over the properties; on that scale differences are those of the logarithm."""

    probe: str
    quantity: str
    properties: list[str] = Field(default=[""], min_length=1)
    scale: Literal["linear", "log"] = "linear"


class _OneSided(Declared):
    above: FiniteFloat | None = None
    below: FiniteFloat | None = None

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give one of above and below")
        return self

    @property
    def sign(self) -> int:
        """1 where a larger value speaks for the claim, -1 where a smaller one does."""
        return 1 if self.above is not None else -1

    @property
    def threshold(self) -> float:
        """Beyond it a value speaks for the claim."""
        return float(next(side for side in (self.above, self.below) if side is not None))


class Part(_OneSided):
    """A weighted sum of values, one number for each seed, and where it is said to lie.

    Attributes
    ----------
    of
        Name of the quantity.
    layers, training, groups
        What each place along depth, each time of training and each group of runs is weighed with.
    above, below
        One of them: beyond it lies the mean over seeds, if the claim holds.
    exploratory
        Whether it was thought of after the runs.
    """

    of: str
    layers: dict[Place, FiniteFloat] = Field(min_length=1)
    training: dict[Time, FiniteFloat] = Field(min_length=1)
    groups: dict[str, FiniteFloat] = Field(default={MAIN: 1.0}, min_length=1)
    exploratory: bool = False

    def weights(self) -> Iterator[tuple[Place, Time, str, float]]:
        """Every value that it is made of: place, time, group and weight."""
        for place, along_depth in self.layers.items():
            for time, over_training in self.training.items():
                for group, between in self.groups.items():
                    yield place, time, group, along_depth * over_training * between


class Correlation(_OneSided):
    """A rank correlation over hidden layers of what training changes in two quantities, said to be above 0 or below."""

    of: list[str] = Field(min_length=2, max_length=2)


class Claim(Declared):
    """A claim holds if each of its parts does, and its correlation; what stands beside has no say."""

    title: str
    parts: dict[str, Part] = {}
    beside: dict[str, Part] = {}
    correlation: Correlation | None = None
    exploratory: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.parts and self.correlation is None:
            raise ValueError("give parts, or a correlation")
        return self


class Claims(Declared):
    """All that a file says.

    Attributes
    ----------
    level
        Of one wrong verdict among all claims of a data set.
    fewest_seeds
        With fewer, nothing is judged.
    fewest_layers
        A correlation over fewer is descriptive.
    quantities, claims
        By name.
    data_sets
        The groups of runs of each, and the keys and values that their configurations have.
    """

    level: float = Field(gt=0, lt=1)
    fewest_seeds: PositiveInt
    fewest_layers: PositiveInt
    quantities: dict[str, Quantity]
    claims: dict[str, Claim]
    data_sets: dict[str, dict[str, dict[str, Any]]]

    def unknown(self) -> Iterator[tuple[str, str, list[str], str]]:
        """Names that are nowhere declared: where, which, what there is, and of what."""
        groups = sorted({group for of in self.data_sets.values() for group in of})
        for name, claim in self.claims.items():
            for part in [*claim.parts.values(), *claim.beside.values()]:
                yield from ((f"claims.{name}", group, groups, "group of runs") for group in part.groups)
                yield f"claims.{name}", part.of, list(self.quantities), "quantity"
            for of in claim.correlation.of if claim.correlation else []:
                yield f"claims.{name}", of, list(self.quantities), "quantity"


_Kind = TypeVar("_Kind", bound=Declared)


def read_declared(kind: type[_Kind], path: str | Path | None, *, key: str, own: str) -> _Kind:
    """Read a YAML file of a kind; None reads pdtrain's own.

    Raises
    ------
    InputError
        If it cannot be read, or something in it is missing or not as it can be; it names the file by `key`.
    """
    source = files("pdtrain.conf") / own if path is None else Path(path)
    try:
        return kind.model_validate(OmegaConf.to_container(OmegaConf.create(source.read_text()), resolve=False))
    except ValidationError as error:
        wrong = error.errors()[0]
        at = ".".join(map(str, wrong["loc"]))
        raise InputError(f"{key}={path}: {at}: {wrong['msg'].removeprefix('Value error, ')}") from error
    except Exception as error:  # whatever a file from elsewhere brings about
        raise InputError(f"{key}={path}: cannot be read ({first_line(error)}); begin from conf/{own}") from error


def read_claims(path: str | Path | None = None) -> Claims:
    """Read a file of claims; None reads pdtrain's own.

    Raises
    ------
    InputError
        If it cannot be read, or something in it is missing or unknown.

    Examples
    --------
    >>> list(read_claims().claims)[0]
    '1_expansion_and_contraction'
    """
    claims = read_declared(Claims, path, key="claims", own="claims.yaml")
    for at, given, known, of in claims.unknown():
        if given not in known:
            raise unknown_name(f"claims={path}: {at}", given, known, of=of)
    return claims
