"""StimulusSet: the images shown to probe a network, with everything known about them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

from pdtrain.errors import InputError
from pdtrain.estimators.discretization import Kind
from pdtrain.estimators.half_samples import half_samples
from pdtrain.stimuli.identity import IDENTITY
from pdtrain.stimuli.normalization import NormalizedImages, intensities
from pdtrain.stimuli.properties import PROPERTIES, Property
from pdtrain.stimuli.property_names import check_property_names

UNLABELLED = "no"  # kind of the labels of stimuli that have none
Normalize = Callable[[Tensor], Tensor]
_PORTION_BYTES = 32 * 2**20  # of intensities in float32 at once; properties take some times as much for their maps


@dataclass(frozen=True)
class PropertyValues:
    """A property's value for every stimulus, and how values are to be compared.

    Attributes
    ----------
    values
        Shape (stimuli,), or (stimuli, units) of a property that each unit has of its own; NaN where it is not defined.
    kind
        "continuous", "circular" or "discrete".
    period
        Of a circular property, in the units of its values.
    """

    values: Float[Tensor, "stimuli *units"] | Int[Tensor, "stimuli *units"]
    kind: Kind = "continuous"
    period: float | None = None


@dataclass(frozen=True)
class StimulusSet:
    """Stimuli and what is known of them.

    They are held as `pixels` alone; what the network sees and what properties are measured on is made from these in
    portions, so that bytes stay bytes.

    Attributes
    ----------
    pixels
        Shape (stimuli, channels, height, width): bytes, or intensities 0 to 1.
    labels
        Class of each stimulus, shape (stimuli,).
    parameters
        What is known of each stimulus: transformation parameters of rendered ones, or a table's columns; each of shape
        (stimuli,).
    label_kind
        What `labels` are: "true", what the images show; "shuffled", what a network was trained to call them; or "no",
        where they are all alike since none are known (`pdtrain.stimuli.given.stimuli_of`).
    parameter_kinds
        Kind and period of those parameters that are not continuous.
    number_key
        Key of the configuration that says how many there are, for messages.
    normalize
        Turns pixels into what the network sees; intensities 0 to 1 unless told otherwise.

    Examples
    --------
    >>> import torch
    >>> half_white = torch.tensor([0, 255], dtype=torch.uint8).repeat_interleave(4).expand(3, 1, 8, 8)
    >>> stimuli = StimulusSet(half_white, torch.tensor([0, 0, 1]), normalize=lambda pixels: pixels / 255 - 0.5)
    >>> stimuli.values("luminance").tolist(), stimuli.images[:1].mean().item()
    ([0.5, 0.5, 0.5], 0.0)
    """

    pixels: UInt8[Tensor, "stimuli channels height width"] | Float[Tensor, "stimuli channels height width"]
    labels: Int[Tensor, " stimuli"]
    parameters: dict[str, Tensor] = field(default_factory=dict)
    label_kind: str = "true"
    parameter_kinds: dict[str, tuple[Kind, float | None]] = field(default_factory=dict)
    number_key: str = "stimuli.count"
    normalize: Normalize = intensities
    _measured: dict[Property, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def labelled(self) -> bool:
        """Whether the class of each is known."""
        return self.label_kind != UNLABELLED

    @property
    def images(self) -> NormalizedImages:
        """As the network sees them: made of the pixels asked for, when they are asked for."""
        return NormalizedImages(self.pixels, self.normalize)

    def portions(self, number: int | None = None) -> Iterator[Float[Tensor, "portion channels height width"]]:
        """Intensities 0 to 1 of consecutive stimuli, `number` at a time; None takes what 32 MiB hold."""
        number = number or max(1, _PORTION_BYTES // (4 * self.pixels.shape[1:].numel()))
        return map(intensities, self.pixels.split(number))

    @cached_property
    def halves(self) -> Bool[Tensor, "splits stimuli"]:
        """Their halvings, behind all intervals over stimuli: the same wherever these stimuli are shown."""
        return half_samples(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """A name of these images and labels, alike only for the same ones."""
        hashed = hashlib.sha256()
        for portion in self.portions():
            hashed.update(portion.contiguous().cpu().numpy().data)
        hashed.update(self.labels.cpu().numpy().tobytes())
        return hashed.hexdigest()[:16]

    def property(self, name: str) -> PropertyValues:
        """A whole-image property, a parameter or the identity; a parameter goes before a property of its name."""
        if name == IDENTITY:
            return PropertyValues(self.labels, "discrete")
        if name in self.parameters:
            values = self.parameters[name]
            values = values if values.is_floating_point() else values.float()
            return PropertyValues(values, *self.parameter_kinds.get(name, ("continuous", None)))
        known = PROPERTIES[name]
        if known not in self._measured:
            self._measured[known] = self._in_portions(name, known)
        return PropertyValues(self._measured[known], known.kind, known.period)

    def _in_portions(self, name: str, known: Property) -> Shaped[Tensor, " stimuli"]:
        """Measure a property into one tensor: what a portion left between two would keep their memory apart."""
        measured = torch.empty(len(self), dtype=torch.bool, device=self.pixels.device)
        begun = 0
        for portion in self.portions():
            values = known.whole(portion)
            if values.shape != (len(portion),):  # one value alone would be taken for that of each
                raise InputError(
                    f'PROPERTIES["{name}"].whole: it gave shape {tuple(values.shape)} of {len(portion)} images; give a '
                    f"value per image, shape ({len(portion)},)"
                )
            measured = measured.to(torch.promote_types(measured.dtype, values.dtype))
            measured[begun : (begun := begun + len(portion))] = values
        return measured

    def values(self, name: str) -> Float[Tensor, " stimuli"]:
        """Value of a whole-image property, a parameter or the identity, shape (stimuli,)."""
        return self.property(name).values.float()

    def check_number(self, needed: int, *, of: str, mend: str = "") -> None:
        """Raise InputError if there are fewer than what is `needed` for `of`; `mend` is another way out."""
        if len(self) < needed:
            raise InputError(
                f"{self.number_key}: {len(self)} stimuli, and {of} needs at least {needed}; give more{mend}"
            )

    def check_labelled(self, key: str) -> None:
        """Raise InputError if their classes are not known, which `key` is about."""
        if not self.labelled:
            raise InputError(f"{key}: the stimuli have no labels; give each a label, or leave it out")

    def check_properties(self, names: Sequence[str], *, key: str = "probes.unit_information.properties") -> None:
        """Raise InputError for a name, given as `key`, that is no property of these stimuli."""
        if IDENTITY in names:
            self.check_labelled(f"{key}={IDENTITY}")
        local = [name for name, known in PROPERTIES.items() if known.local]
        check_property_names(names, of_images=[*PROPERTIES], local=local, parameters=[*self.parameters], key=key)


def stacked(images: Iterable[Shaped[Tensor, "..."]], shape: tuple[int, ...]) -> Shaped[Tensor, "..."]:
    """Images put into one tensor of `shape` (images, channels, height, width) as they come, so that none is held twice.

    Bytes stay bytes.

    Examples
    --------
    >>> import torch
    >>> stacked((torch.full((1, 2, 2), i, dtype=torch.uint8) for i in range(3)), (3, 1, 2, 2))[:, 0, 0, 0].tolist()
    [0, 1, 2]
    """
    together = torch.empty(shape, dtype=torch.uint8)
    for place, image in enumerate(images):
        if place == 0:
            together = together.to(image.dtype)
        together[place] = image
    return together


def random_sample(count: int, size: int, *, seed: int) -> Int[Tensor, " size"]:
    """Choose `size` of `count` items without replacement, in ascending order."""
    chosen = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:size]
    return chosen.sort().values
