import torch

from pdtrain.stimuli.objects import render_factorial, render_objects
from pdtrain.stimuli.transformations import Transformations


def test_rendering_is_deterministic_and_balanced() -> None:
    first, second = (render_objects(250, pixels=24, seed=3) for _ in range(2))

    assert torch.equal(first.images, second.images)
    assert first.labels.bincount().tolist() == [25] * 10
    assert not torch.equal(first.images, render_objects(250, pixels=24, seed=4).images)


def test_transformations_do_what_they_say() -> None:
    still = {"rotation_plane": 0.0, "rotation_depth": 0.0, "background": 0.0}
    ranges = Transformations(position=0.3, size=(0.4, 0.4), luminance=(1.0, 1.0), contrast=(0.0, 0.0), **still)
    rendered = render_objects(200, identities=1, pixels=64, transformations=ranges)

    objects = (rendered.images[:, 0] > 200).float()
    columns = (objects.sum(1) * torch.arange(64.0)).sum(1) / objects.sum((1, 2))

    correlation = torch.corrcoef(torch.stack([columns, rendered.parameters["position_x"]]))[0, 1]
    assert correlation > 0.999


def test_background_strength_is_its_standard_deviation() -> None:
    rendered = render_objects(50, pixels=64, transformations=Transformations(size=(1e-3, 1e-3), background=0.08))

    deviation = (rendered.images.float() / 255).std((1, 2, 3))

    assert torch.allclose(deviation, torch.tensor(0.08), atol=0.01)


def test_factorial_table_has_every_combination_once() -> None:
    rendered = render_factorial({"size": [0.5, 0.8], "rotation_plane": [-20, 0, 20]}, identities=4, pixels=16)

    table = torch.stack(
        [rendered.labels.float(), rendered.parameters["size"], rendered.parameters["rotation_plane"]], 1
    )
    assert len(rendered.images) == 24 == len(table.unique(dim=0))
