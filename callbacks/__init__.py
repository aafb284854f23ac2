"""Lightning adapters, thin: they decide when to probe and where to log, and hold no maths."""

from pdtrain.callbacks.probes import IntrinsicDimension, UnitInformation
from pdtrain.callbacks.probing import Probing
from pdtrain.callbacks.schedule import Schedule

__all__ = ["IntrinsicDimension", "Probing", "Schedule", "UnitInformation"]
