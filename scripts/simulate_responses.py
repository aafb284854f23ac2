"""Writes the simulated example of `pdtrain-probe responses=...`: spike counts of four areas that prune and distill.

No animal was recorded. From V1 to LL the simulated neurons lose luminance and gain identity, and the number of
independent signals falls. `python scripts/simulate_responses.py docs/examples`
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

OBJECTS, VIEWS, TRIALS = 8, 14, 6
# neurons, independent signals, gain of luminance, gain of identity
AREAS = {"V1": (40, 14, 1.2, 0.1), "LM": (34, 10, 0.8, 0.3), "LI": (30, 7, 0.4, 0.7), "LL": (26, 4, 0.1, 1.2)}


def simulate(seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Responses, one line per neuron and trial, and the table of stimuli."""
    rng = np.random.default_rng(seed)
    identity = np.repeat(np.arange(OBJECTS), VIEWS)
    luminance = rng.uniform(0.2, 1.0, len(identity))
    contrast = rng.uniform(0.3, 1.0, len(identity))
    names = [f"object{i}_view{j:02d}" for i, j in zip(identity, np.tile(np.arange(VIEWS), OBJECTS), strict=True)]
    stimuli = pd.DataFrame(
        {"stimulus": names, "identity": identity, "luminance": luminance.round(4), "contrast": contrast.round(4)}
    )
    tables = []
    for area, (neurons, signals, of_luminance, of_identity) in AREAS.items():
        latent = rng.standard_normal((signals, len(identity)))
        latent[0] = (luminance - luminance.mean()) / luminance.std() * of_luminance * 1.5
        prototypes = rng.standard_normal((signals, OBJECTS)) * of_identity
        prototypes[0] = 0
        mixing = rng.standard_normal((neurons, signals)) / signals**0.5
        rate = 8 * np.exp(0.8 * mixing @ (latent + prototypes[:, identity]))
        for trial in range(TRIALS):
            counts = pd.DataFrame(rng.poisson(rate.clip(max=200)), columns=names)
            place = {"neuron": [f"{area}_{n:02d}" for n in range(neurons)], "area": area, "trial": trial}
            tables.append(pd.concat([pd.DataFrame(place), counts], axis=1))
    return pd.concat(tables, ignore_index=True), stimuli


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    responses, stimuli = simulate()
    responses.to_csv(folder / "simulated_responses.csv", index=False)
    stimuli.to_csv(folder / "simulated_stimuli.csv", index=False)
