"""Global estimators of scikit-dimension by their class's name, with random numbers of their own."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

PREFIX = "skdim."


def is_scikit_dimension(name: str) -> bool:
    """Tell whether `name` is `skdim.<Class>`.

    Examples
    --------
    >>> is_scikit_dimension("skdim.TwoNN"), is_scikit_dimension("skdim.ThreeNN")
    (True, False)
    """
    import skdim.id

    return name.startswith(PREFIX) and hasattr(skdim.id, name.removeprefix(PREFIX))


def scikit_dimension(name: str, points: Float[Tensor, "points features"], *, seed: int) -> float:
    """Estimate by `skdim.<Class>` with its defaults; numpy's global stream is left as it was, whatever happens.

    Examples
    --------
    >>> import torch
    >>> plane = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
    >>> round(scikit_dimension("skdim.lPCA", plane, seed=0))
    2
    """
    import skdim.id

    estimator = getattr(skdim.id, name.removeprefix(PREFIX))()
    seed %= 2**32  # what numpy takes
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=seed)
    before = np.random.get_state()  # noqa: NPY002 - the stream that scikit-dimension itself draws from
    np.random.seed(seed)  # noqa: NPY002
    try:
        return float(estimator.fit(points.double().cpu().numpy()).dimension_)
    finally:
        np.random.set_state(before)  # noqa: NPY002
