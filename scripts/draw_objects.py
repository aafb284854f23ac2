"""Draw a contact sheet of the rendered objects, one identity per row: `python scripts/draw_objects.py sheet.png`."""

import sys

import torch
from torchvision.utils import make_grid, save_image

from pdtrain.stimuli.objects import render_objects


def main(path: str, *, views: int = 10, identities: int = 10) -> None:
    """Save `views` views of each identity."""
    rendered = render_objects(30 * identities, identities=identities, pixels=64)
    rows = [rendered.images[rendered.labels == label][:views] for label in range(identities)]
    save_image(make_grid(torch.cat(rows).float() / 255, views), path)


if __name__ == "__main__":
    main(*sys.argv[1:] or ["objects.png"])
