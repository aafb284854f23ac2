"""Lightning adapters, thin: they decide when to probe and where to log, and hold no maths."""

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
