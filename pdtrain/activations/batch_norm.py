"""Statistics of batch norm taken from stimuli, for networks whose own were never set."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pdtrain.activations.hooks import bare, evaluating, example_tensor
from pdtrain.stimuli.normalization import NormalizedImages

_IMAGES = 64  # about so many at once: what a batch holds changes its statistics, so that this is no option


@contextmanager
def calibrated(
    model: nn.Module, images: Float[Tensor, "stimuli channels height width"] | NormalizedImages
) -> Iterator[None]:
    """Normalize by the mean and variance of `images` while this lasts; then by what was there before.

    They are averaged over batches of about 64 mixed images, in each of which layers are normalized by the batch's own
    statistics, as in training.

    Parameters
    ----------
    model
        Left as it was; without batch norm nothing changes.
    images
        At least two.

    Examples
    --------
    >>> import torch
    >>> norm = nn.BatchNorm2d(1)
    >>> images = 5 + torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> with calibrated(norm, images):
    ...     inside = float(norm.running_mean)
    >>> round(inside, 1), float(norm.running_mean)
    (5.0, 0.0)
    """
    model = bare(model)
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    before = [(norm.momentum, {name: buffer.clone() for name, buffer in norm.named_buffers()}) for norm in norms]
    try:
        if norms:
            _calibrate(model, norms, images)
        yield
    finally:
        for norm, (momentum, buffers) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.load_state_dict(buffers, strict=False)


def _calibrate(model: nn.Module, norms: list[_BatchNorm], images: Tensor | NormalizedImages) -> None:
    example = example_tensor(model)
    # a folder may have its images sorted; and a batch that is smaller would weigh as much as the others
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    batches = order.tensor_split(max(round(len(images) / _IMAGES), 1))
    with evaluating(model):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # averages over all batches
            norm.training = True
        for batch in batches:
            model(images[batch].to(example))
        for norm in norms:
            norm.training = False
