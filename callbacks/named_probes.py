"""The probes as callbacks: each holds its probe; `Probing` runs them together on one forward pass."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as lightning

from pdtrain.errors import InputError
from pdtrain.probes.dimension_probe import DimensionProbe
from pdtrain.probes.information_probe import InformationProbe
from pdtrain.probes.object_probe import DiscriminabilityProbe, ObjectInformationProbe
from pdtrain.probes.prober import Probe
from pdtrain.results.measures import DIMENSION


class ProbeCallback(lightning.Callback):
    """A callback that carries a probe for `Probing` to run."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe

    def on_fit_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Raise InputError if nothing is there to run the probe."""
        from pdtrain.callbacks.probing import Probing  # which imports this

        if not any(isinstance(callback, Probing) for callback in trainer.callbacks):  # type: ignore[attr-defined]
            raise InputError(
                f"{type(self).__name__}: measures nothing by itself; add Probing(stimuli) to the callbacks"
            )


class IntrinsicDimension(ProbeCallback):
    """Intrinsic dimension of every layer; arguments as `pdtrain.probes.dimension_probe.DimensionProbe`."""

    def __init__(self, estimators: Sequence[str] = (DIMENSION.quantity,), **options: Any) -> None:
        super().__init__(DimensionProbe(estimators, **options))


class UnitInformation(ProbeCallback):
    """Information per unit; arguments as `pdtrain.probes.information_probe.InformationProbe`."""

    def __init__(self, properties: Sequence[str], **options: Any) -> None:
        super().__init__(InformationProbe(properties, **options))


class ObjectInformation(ProbeCallback):
    """Object information per unit; arguments as `pdtrain.probes.object_probe.ObjectInformationProbe`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(ObjectInformationProbe(**options))


class Discriminability(ProbeCallback):
    """Linear discriminability of objects; arguments as `pdtrain.probes.object_probe.DiscriminabilityProbe`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(DiscriminabilityProbe(**options))
