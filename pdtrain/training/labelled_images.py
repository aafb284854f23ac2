"""Images with labels, in memory or read one by one, and made ready batch by batch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset


class LabelledImages(Dataset[tuple[Tensor, int]]):
    """Images with labels and, where they were rendered, the parameters that made them.

    Parameters
    ----------
    read
        All images, uint8, shape (images, channels, height, width), where they are in memory; else returns the image at
        an index, of shape (channels, height, width).
    labels
        Class of each image, shape (images,).
    normalize
        Turns uint8 intensities into what the network sees.
    parameters
        Known transformation parameters, each of shape (images,).
    read_whole
        As `read`, of the image before it was cropped to the size of all; None where it never was.

    Attributes
    ----------
    true_labels
        What the images show, shape (images,): differs from `labels` once these are shuffled.
    """

    def __init__(
        self,
        read: Tensor | Callable[[int], Tensor],
        labels: Tensor,
        normalize: Callable[[Tensor], Tensor],
        parameters: dict[str, Tensor] | None = None,
        *,
        read_whole: Callable[[int], Tensor] | None = None,
    ) -> None:
        self.labels, self.true_labels, self.parameters = labels, labels, parameters or {}
        self._read, self._read_whole, self._normalize = read, read_whole, normalize
        self._places = torch.arange(len(labels))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self._normalize(self.image(index)), int(self.labels[index])

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """A batch at once: as the network sees it, shape (images, channels, height, width), and its labels."""
        chosen = torch.tensor(indices)
        return self._normalize(self.images(chosen)), self.labels[chosen]

    def images(self, indices: Tensor) -> Tensor:
        """Several images as stored, shape (images, channels, height, width)."""
        if isinstance(self._read, Tensor):
            return self._read[self._places[indices]]
        return torch.stack([self.image(index) for index in indices.tolist()])

    def image(self, index: int) -> Tensor:
        """One image as stored, uint8, shape (channels, height, width)."""
        place = int(self._places[index])
        return self._read[place] if isinstance(self._read, Tensor) else self._read(place)

    def whole_image(self, index: int) -> Tensor:
        """One image before it was cropped, uint8, of a height and width of its own."""
        return self.image(index) if self._read_whole is None else self._read_whole(int(self._places[index]))

    def select(self, chosen: Tensor) -> "LabelledImages":
        """The images at the indices `chosen`, in that order."""
        parameters = {name: values[chosen] for name, values in self.parameters.items()}
        selected = LabelledImages(
            self._read, self.labels[chosen], self._normalize, parameters, read_whole=self._read_whole
        )
        selected.true_labels, selected._places = self.true_labels[chosen], self._places[chosen]
        return selected
