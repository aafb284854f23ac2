"""Lightning adapters, thin: they decide when to probe and where to log, and hold no maths.

Each is imported when it is asked for, since Lightning takes seconds.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pdtrain.callbacks.listening import ProbeListener
    from pdtrain.callbacks.named_probes import (
        Discriminability,
        IntrinsicDimension,
        ObjectInformation,
        ProbeCallback,
        UnitInformation,
    )
    from pdtrain.callbacks.probing import Probing
    from pdtrain.callbacks.progress import TerminalProgress
    from pdtrain.callbacks.resuming import Resuming
    from pdtrain.callbacks.schedule import Schedule
    from pdtrain.callbacks.training_accuracy import TrainingAccuracy
    from pdtrain.callbacks.wandb_media import WandbMedia

__all__ = [
    "Discriminability",
    "IntrinsicDimension",
    "ObjectInformation",
    "ProbeCallback",
    "ProbeListener",
    "Probing",
    "Resuming",
    "Schedule",
    "TerminalProgress",
    "TrainingAccuracy",
    "UnitInformation",
    "WandbMedia",
]
_MODULES = {
    "ProbeListener": "listening",
    "Probing": "probing",
    "Resuming": "resuming",
    "Schedule": "schedule",
    "TerminalProgress": "progress",
    "TrainingAccuracy": "training_accuracy",
    "WandbMedia": "wandb_media",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'named_probes')}"), name)
