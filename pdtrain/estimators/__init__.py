"""Pure functions on tensors that return frozen dataclasses; no Lightning, Hydra, W&B or files."""
