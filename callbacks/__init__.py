"""Lightning adapters, thin: they decide when to probe and where to log, and hold no maths."""

from pdtrain.callbacks.probes import (
    Discriminability,
    IntrinsicDimension,
    ObjectInformation,
    ProbeCallback,
    UnitInformation,
)
from pdtrain.callbacks.probing import Probing
from pdtrain.callbacks.resuming import Resuming
from pdtrain.callbacks.schedule import Schedule

__all__ = [
    "Discriminability",
    "IntrinsicDimension",
    "ObjectInformation",
    "ProbeCallback",
    "Probing",
    "Resuming",
    "Schedule",
    "UnitInformation",
]
