"""Keys that a command would leave unused, told before anything is done: whoever gives one expects something of it."""

from collections.abc import Iterator, Sequence

from pdtrain.errors import InputError

_RUN, _WEIGHTS, _NEURONS = "run_dir", "state_dict", "responses"
# what pdtrain-probe is asked about, in words, and what that leaves unused: keys, or groups, with what to do
_OF = {
    _RUN: "checkpoints of a run",
    _WEIGHTS: "weights from elsewhere",
    _NEURONS: "recorded neurons",
}
_OF_NEURONS = ("stimuli_table", "circular", "discrete", "areas", "neurons")
_IDLE: dict[str, dict[str, str]] = {
    _RUN: {
        "out": "their rows go into its folder, under the name that probe_set=... gives",
        "match": "their tensors have the names of its network",
        "preprocessing": "images are shown as in its training; data.mean and the like change that",
        "untrained": "its own untrained network is epoch 0",
        **dict.fromkeys(_OF_NEURONS, "that is for responses=..."),
    },
    _WEIGHTS: {
        "ckpt_path": "state_dict=... takes a file",
        "watch": "there is no training to follow",
        "trust": "no configuration is read that was stored",
        **dict.fromkeys(_OF_NEURONS, "that is for responses=..."),
    },
    _NEURONS: {
        "ckpt_path": "there are no checkpoints",
        "match": "there are no weights",
        "preprocessing": "no images are shown",
        "untrained": "there is no network",
        "untrained_batch_norm": "there is no network",
        "watch": "there is no training to follow",
        "trust": "no configuration is read that was stored",
        "wandb": "their rows stay in their folder",
        "data": "their stimuli are those of stimuli_table=...",
        "stimuli": "their stimuli are those of stimuli_table=...",
        "model": "there is no network",
        "layers": "areas=... names what stands in place of layers",
    },
}


def check_used(overrides: Sequence[str], *, of: str) -> None:
    """Raise InputError for the first override that `pdtrain-probe` would not use.

    Parameters
    ----------
    overrides
        What the user gave, as "key=value".
    of
        What is probed: "run_dir", "state_dict" or "responses".
    """
    idle = _IDLE[of]
    named = dict(_given(overrides))
    for key, value in named.items():
        group = key.partition(".")[0]
        if group in idle:
            raise InputError(f"{key}={value}: not used of {_OF[of]}: {idle[group]}; leave it out")
    if of == _WEIGHTS and "match" in named and _WEIGHTS not in named:
        raise InputError(f"match={named['match']}: not used without state_dict=..., a file whose names it is about")


def _given(overrides: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Keys and values that are no null."""
    for override in overrides:
        key, _, value = override.lstrip("+~").partition("=")
        if value not in ("null", ""):
            yield key.partition("@")[0].replace("/", "."), value
