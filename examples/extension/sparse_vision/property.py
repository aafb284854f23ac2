"""A property of images: whether light comes from above."""

from torch import Tensor

from pdtrain.stimuli.properties import PROPERTIES, Property


def light_from_above(images: Tensor) -> Tensor:
    """Mean intensity of the upper half less that of the lower, -1 to 1, of images (images, channels, height, width).

    Examples
    --------
    >>> import torch
    >>> light_from_above(torch.tensor([[[[1.0, 0.5], [0.5, 0.5], [0.0, 0.5]]]])).tolist()
    [0.5]
    """
    half = images.shape[-2] // 2
    return images[..., :half, :].mean((1, 2, 3)) - images[..., -half:, :].mean((1, 2, 3))


PROPERTIES["light_from_above"] = Property(light_from_above)
