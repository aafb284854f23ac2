"""The embedded data set: rendered objects, made on first use and cached on disk."""

import hashlib
import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track

from pdtrain.files import written_whole
from pdtrain.locks import one_at_a_time
from pdtrain.stimuli.objects import RenderedObjects, render_objects
from pdtrain.stimuli.transformations import Transformations
from pdtrain.training.data import ImageData
from pdtrain.training.labelled_images import LabelledImages

_FORMAT = 1  # raise when the renderer changes what it draws


class ObjectsData(ImageData):
    """Rendered objects for training and validation.

    Parameters
    ----------
    root
        Folder of the cache.
    identities, pixels
        Number of objects; image side in pixels.
    training_images, validation_images
        Numbers of images.
    transformations
        Ranges, see `Transformations`.
    """

    def __init__(
        self,
        *,
        root: str,
        identities: int = 10,
        pixels: int = 32,
        training_images: int = 16000,
        validation_images: int = 1000,
        transformations: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._root = Path(root)
        self.num_classes, self.shape = identities, (1, pixels, pixels)
        self._counts = (training_images, validation_images)
        self._transformations = Transformations.from_config(transformations, key="data.transformations")

    def load(self) -> tuple[LabelledImages, LabelledImages | None]:
        """Render, or read the cache."""
        parts = [self._part(count, 2 * self.split_seed + i) for i, count in enumerate(self._counts)]
        training, validation = (
            LabelledImages(part.images, part.labels, self.normalize, part.parameters) for part in parts
        )
        return training, validation

    def _part(self, count: int, seed: int) -> RenderedObjects:
        settings = {
            "count": count,
            "identities": self.num_classes,
            "pixels": self.shape[1],
            "seed": seed,
        }
        key = json.dumps([_FORMAT, settings, asdict(self._transformations)], sort_keys=True)
        path = self._root / f"objects-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
        cached = _read(path, count)
        if cached is not None:
            return cached
        progress = partial(track, description=f"rendering {count} objects")
        with one_at_a_time(path.with_suffix(".lock"), makes=str(path)):
            cached = _read(path, count)  # another process may have made it meanwhile
            if cached is not None:
                return cached
            rendered = render_objects(transformations=self._transformations, progress=progress, **settings)
            _write(rendered, path)
        return rendered


def _write(rendered: RenderedObjects, path: Path) -> None:
    arrays: dict[str, Any] = {"images": rendered.images.numpy(), "labels": rendered.labels.numpy()}
    arrays |= {f"parameter_{name}": values.numpy() for name, values in rendered.parameters.items()}
    with written_whole(path) as temporary:
        np.savez(temporary, **arrays)


def _read(path: Path, count: int) -> RenderedObjects | None:
    """Read a cache file; None if it is missing or torn (the zip members' checksums tell)."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        parameters = {k.removeprefix("parameter_"): v for k, v in found.items() if k.startswith("parameter_")}
        rendered = RenderedObjects(found["images"], found["labels"], parameters)
    except Exception:  # whatever a damaged file brings about
        return None
    return rendered if len(rendered.images) == count else None
