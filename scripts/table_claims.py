"""Write the tables of docs/claims.md, how often intervals and verdicts are right: `python scripts/table_claims.py`."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t as student

from pdtrain.claims.contrasts import over_seeds
from pdtrain.claims.declared import Part
from pdtrain.claims.profiles import Value
from pdtrain.claims.verdicts import OPPOSITE, SHOWN, p_value_of, verdict_of
from pdtrain.estimators.halvings import SPLITS
from pdtrain.estimators.multiple_tests import holm_adjusted
from pdtrain.estimators.nested_means import nested_mean

_PAGE = Path(__file__).resolve().parents[1] / "docs" / "claims.md"
_MARK = "<!-- made by scripts/table_claims.py -->"
_TIMES = 2000
_LEVEL = 0.05
_CLAIMS, _PARTS = 6, 3
_PART = Part(of="made", layers={"last": 1.0}, training={"trained": 1.0}, above=0.0)


def coverage() -> Iterator[dict[str, object]]:
    """How often the interval of a mean holds that over other seeds and stimuli, beside those that were not chosen."""
    generator = np.random.default_rng(0)
    for seeds in (1, 3, 5, 8, 20):
        for of_seeds, of_stimuli in ((1.0, 0.0), (1.0, 0.3), (0.5, 0.5), (0.3, 1.0), (0.0, 1.0)):
            if seeds == 1 and of_seeds:
                continue
            held = np.zeros(4)
            for _ in range(_TIMES):
                shared = of_stimuli * generator.standard_normal()
                values = shared + of_seeds * generator.standard_normal(seeds)
                halves = np.tile(of_stimuli * generator.standard_normal(SPLITS), (seeds, 1))
                found = nested_mean(values, halves)
                widths = [found.upper - found.value, *_others(values, halves[0])]
                held += [abs(values.mean()) < width for width in widths]
            names = ("ours", "Satterthwaite's degrees of freedom", "seeds alone", "stimuli alone")
            shares = [f"{share:.1%}" if share else "" for share in held / _TIMES]
            yield {"seeds": seeds, "deviation of seeds": of_seeds, "of stimuli": of_stimuli} | dict(
                zip(names, shares, strict=True)
            )


def _others(values: np.ndarray, halves: np.ndarray) -> Iterator[float]:
    seeds = len(values)
    of_stimuli = float(np.square(halves).mean())
    of_seeds = float(values.var(ddof=1)) / seeds if seeds > 1 else 0.0
    variance = of_seeds + of_stimuli
    freedom = variance**2 / (of_stimuli**2 / SPLITS + (of_seeds**2 / (seeds - 1) if seeds > 1 else 0.0))
    yield student.ppf(0.975, freedom) * math.sqrt(variance)
    yield student.ppf(0.975, seeds - 1) * math.sqrt(of_seeds) if seeds > 1 else 0.0
    yield student.ppf(0.975, SPLITS) * math.sqrt(of_stimuli)


def verdicts() -> Iterator[dict[str, object]]:
    """How often six claims of three parts each are shown or opposite; true effects are so many deviations of seeds."""
    generator = np.random.default_rng(1)
    for seeds in (3, 5, 8):
        for effect in (-2.0, 0.0, 1.0, 2.0, 4.0):
            for of_stimuli in (0.0, 0.5):
                found = [_six(seeds, effect, of_stimuli, generator) for _ in range(_TIMES // 5)]
                wrong = (OPPOSITE,) if effect > 0 else (SHOWN,) if effect < 0 else (SHOWN, OPPOSITE)
                yield {
                    "seeds": seeds,
                    "true effect": f"{effect:g} SD",
                    "deviation of stimuli": of_stimuli,
                    "claims shown": f"{np.mean([v == SHOWN for of in found for v in of]):.1%}",
                    "claims opposite": f"{np.mean([v == OPPOSITE for of in found for v in of]):.1%}",
                    "sets of six with a wrong verdict": f"{np.mean([any(v in wrong for v in of) for of in found]):.1%}",
                }


def _six(seeds: int, effect: float, of_stimuli: float, generator: np.random.Generator) -> list[str]:
    claims = []
    for _ in range(_CLAIMS):
        parts = {}
        for place in range(_PARTS):
            shared = of_stimuli * generator.standard_normal()
            halves = of_stimuli * generator.standard_normal(SPLITS)
            given = effect + shared + generator.standard_normal(seeds)
            parts[str(place)] = over_seeds(_PART, {seed: Value(float(of), halves) for seed, of in enumerate(given)})
        claims.append(parts)
    p_values = holm_adjusted(np.array([p_value_of(list(parts.values())) for parts in claims]))
    return [verdict_of(parts, float(p), _LEVEL, "")[0] for parts, p in zip(claims, p_values, strict=True)]


def main() -> None:
    """Write the tables after the mark in the page."""
    tables = [pd.DataFrame(lines).to_markdown(index=False, disable_numparse=True) for lines in (coverage(), verdicts())]
    text = _PAGE.read_text().partition(_MARK)[0]
    titles = ("## Coverage of the interval", "## How often verdicts are right")
    parts = [f"{title}\n\n{table}\n" for title, table in zip(titles, tables, strict=True)]
    _PAGE.write_text("\n".join([f"{text}{_MARK}\n", *parts]))
    print(*tables, sep="\n\n")


if __name__ == "__main__":
    main()
