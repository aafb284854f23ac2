from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from pdtrain.errors import InputError
from pdtrain.stimuli.normalization import Normalization
from pdtrain.stimuli.stimulus_set import StimulusSet
from pdtrain.stimuli.transformations import View
from pdtrain.stimuli.transformed import transform, transformed
from pdtrain.training.objects_data import ObjectsData

_STAMPS = Path("/usr/share/tuxpaint/stamps/animals")  # Debian's tuxpaint-stamps-default: photographs cut out by alpha
_BLACK = torch.zeros(60, 40)


def _image(height: int = 60, width: int = 40, channels: int = 3) -> torch.Tensor:
    """Opaque noise."""
    colours = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(0))
    return torch.cat([colours, torch.ones(1, height, width)])


def _disc(x: float = 0.0, y: float = 0.0, side: int = 60) -> torch.Tensor:
    """A white disc, transparent about it, of a fifth of the image's side, its centre in half image widths."""
    axis = (torch.arange(side) + 0.5) * 2 / side - 1
    inside = (torch.hypot(axis - x, axis[:, None] - y) < 0.2).float()
    return torch.stack([torch.ones(side, side), inside])


def _centroid(shown: torch.Tensor) -> tuple[float, float]:
    """Where the light is, in half image widths and heights."""
    _, height, width = shown.shape
    x, y = ((torch.arange(side) + 0.5) * 2 / side - 1 for side in (width, height))
    return float((shown[0] * x).sum() / shown.sum()), float((shown[0] * y[:, None]).sum() / shown.sum())


@pytest.mark.parametrize("shape", [(60, 40), (40, 40)])
def test_an_image_that_is_not_transformed_comes_back(shape: tuple[int, int]) -> None:
    torch.testing.assert_close(
        transform(_image(*shape), View(), torch.zeros(shape)), _image(*shape)[:3], atol=1e-4, rtol=0
    )


def test_position_is_where_the_object_is_seen() -> None:
    found = _centroid(transform(_disc(), View(position_x=0.4, position_y=-0.3), _BLACK))

    assert found == pytest.approx((0.4, -0.3), abs=0.01)


def test_rotation_turns_clockwise_as_seen() -> None:
    right = _disc(x=0.5)

    assert _centroid(transform(right, View(rotation_plane=90.0), torch.zeros(50, 50))) == pytest.approx(
        (0, 0.5), abs=0.02
    )
    turned = transform(right, View(rotation_plane=-30.0, size=0.5, position_x=0.1), torch.zeros(50, 50))
    assert _centroid(turned) == pytest.approx((0.1 + 0.25 * 3**0.5 / 2, -0.125), abs=0.02)


@pytest.mark.parametrize("side", [30, 60, 400])
def test_size_is_that_of_the_object_whatever_its_resolution(side: int) -> None:
    for size in (0.5, 0.8, 1.5):
        area = transform(_disc(side=side), View(size=size), torch.zeros(50, 50)).mean()
        assert float(area) == pytest.approx(float(_disc(side=side)[1].mean()) * size**2, rel=0.02)


def test_fine_texture_is_averaged_and_leaves_no_pattern() -> None:
    board = ((torch.arange(300)[:, None] + torch.arange(300)) % 2).float().expand(2, -1, -1).clone()
    board[1] = 1

    for view in (View(), View(size=0.9, rotation_plane=20.0), View(size=0.5)):
        middle = transform(board, view, torch.full((40, 40), 0.5))[0, 15:25, 15:25]
        torch.testing.assert_close(middle, torch.full((10, 10), 0.5), atol=0.03, rtol=0)


def test_luminance_scales_intensities_and_contrast_their_deviation() -> None:
    plain = transform(_image(), View(), _BLACK)
    dark = transform(_image(), View(object_luminance=0.4), _BLACK)
    flat = transform(_image(), View(object_contrast=0.25), _BLACK)

    torch.testing.assert_close(dark, 0.4 * plain)
    torch.testing.assert_close(flat.mean(), plain.mean(), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(), 0.25 * plain.std(), atol=1e-4, rtol=0)


def test_the_background_is_seen_where_the_object_is_transparent() -> None:
    image = torch.tensor([[[1.0, 1.0, 1.0]], [[0.0, 0.25, 1.0]]])  # white; transparent, in part, opaque

    shown = transform(image, View(), torch.full((1, 3), 0.2))
    torch.testing.assert_close(shown[0, 0], torch.tensor([0.2, 0.25 + 0.75 * 0.2, 1.0]))


def test_the_colour_of_what_is_transparent_does_not_blend_in() -> None:
    image = torch.ones(2, 8, 8)
    image[1, :, 4:] = 0
    other = image.clone()
    other[0, :, 4:] = 0
    view = View(rotation_plane=20.0, size=0.7, object_contrast=0.5)

    assert torch.equal(transform(image, view, _BLACK), transform(other, view, _BLACK))


@pytest.fixture
def data(tmp_path: Path) -> ObjectsData:
    data = ObjectsData(root=str(tmp_path / "cache"), training_images=20, validation_images=20, pixels=16)
    data.setup()
    return data


def test_views_of_held_out_images_have_parameters_that_tell_nothing_of_the_object(data: ObjectsData) -> None:
    ranges = {"size": [0.3, 0.6], "position": 0.1, "background_luminance": [0.25, 0.25]}
    stimuli = transformed(data, objects=6, views=100, seed=1, transformations=ranges)

    assert stimuli.pixels.shape == (600, 1, 16, 16) and stimuli.labels.bincount().tolist() == [100] * 6
    classes = stimuli.property("class")
    assert classes.kind == "discrete" and classes.values[:6].tolist() == data.held_out(6, seed=1).labels.tolist()
    assert torch.equal(classes.values, classes.values[:6].repeat(100)), "of the object, whatever the view"
    drawn = {name: values for name, values in stimuli.parameters.items() if name != "class"}
    assert set(drawn) == {
        "position_x", "position_y", "size", "rotation_plane", "object_luminance", "object_contrast",
        "background_luminance",
    }  # fmt: skip
    assert 0.3 <= drawn["size"].min() < 0.31 and 0.59 < drawn["size"].max() <= 0.6
    assert drawn["position_x"].abs().max() <= 0.1 and drawn["background_luminance"].unique().tolist() == [0.25]
    varied = {name: values for name, values in drawn.items() if name != "background_luminance"}
    table = torch.stack([*varied.values(), stimuli.labels.float()])
    assert (torch.corrcoef(table) - torch.eye(len(table))).abs().max() < 0.15


def test_views_are_functions_of_the_seed(data: ObjectsData) -> None:
    first, same, other = (transformed(data, objects=3, views=4, seed=seed).pixels for seed in (0, 0, 1))

    assert torch.equal(first, same) and not torch.equal(first, other)


def _folder(root: Path) -> str:
    for index, name in enumerate(("a", "b")):
        (root / name).mkdir(parents=True)
        Image.new("RGB", (50, 30), (250, 10, 10)).save(root / name / "photograph.png")
        cut_out = Image.new("RGBA", (90, 80), (0, 0, 0, 0))
        cut_out.paste((10, 250, 10 + index, 255), (30, 20, 60, 60))
        cut_out.save(root / name / "cut_out.png")
    return str(root)


def test_photographs_of_a_folder_are_brought_to_size_and_cut_outs_keep_their_shape(tmp_path: Path) -> None:
    ranges = {
        "position": 0, "size": [1, 1], "rotation_plane": 0, "luminance": [1, 1], "contrast": [1, 1], "background": 0,
        "background_luminance": [0.5, 0.5],
    }  # fmt: skip
    weights = SimpleNamespace(shape=(3, 20, 20), normalize=Normalization(0.5, 0.25))

    stimuli = transformed(weights, root=_folder(tmp_path), objects=4, views=1, seed=0, transformations=ranges)

    cut_out, photograph = stimuli.pixels[0], stimuli.pixels[1]
    assert (photograph == torch.tensor([250, 10, 10])[:, None, None]).all(), "to the edge"
    assert cut_out[:, 10, 10].tolist() == [10, 250, 10] and cut_out[:, 1, 1].tolist() == [128, 128, 128]
    # a third of 90 by half of 80 pixels, where 90 fill 20
    area = (cut_out[1].float() - 128).sum() / (250 - 128)
    assert float(area) == pytest.approx((20 / 90) ** 2 * 30 * 40, rel=0.02)
    assert stimuli.parameters["class"].tolist() == [0, 0, 1, 1]
    torch.testing.assert_close(stimuli.images[1].amax(), torch.tensor((250 / 255 - 0.5) / 0.25))

    shrunk = SimpleNamespace(shape=(3, 20, 20), normalize=Normalization(), resize=lambda image: image[:, :20, :20] // 2)
    stimuli = transformed(shrunk, root=str(tmp_path / "a"), objects=2, views=1, seed=0, transformations=ranges)
    assert stimuli.pixels[1, 0, 0, 0] == 125 and "class" not in stimuli.parameters, "of one folder there is none"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objects": 21}, r"^stimuli\.objects=21: choose from 1 to 20, the number of validation images"),
        ({"root": "nowhere"}, r"^stimuli\.root=nowhere: missing, or not to be read; give a folder of images"),
        ({"transformations": {"size": [0, 1]}}, r"^stimuli\.transformations\.size=\[0\.0, 1\.0\]: give sizes above 0"),
        ({"transformations": {"contrast": [-1, 3]}}, r"^stimuli\.transformations\.contrast=\[-1, 3\]: give 0 or more"),
        ({"transformations": {"position": -0.1}}, r"^stimuli\.transformations\.position=-0\.1: give 0 or more"),
        ({"transformations": {"luminance": [0, float("nan")]}}, r"luminance=\[0, nan\]: give 0 or more"),
        ({"transformations": {"background_luminance": [0, 3]}}, r"background_luminance=\[0, 3\]: give from 0 to 1"),
        ({"transformations": {"colour": 1}}, r"^stimuli\.transformations=colour: no such transformation"),
    ],
)
def test_what_cannot_be_shown_is_named(data: ObjectsData, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        transformed(data, **({"objects": 2, "views": 2, "seed": 0} | options))


def test_without_a_data_set_a_folder_is_asked_for() -> None:
    weights = SimpleNamespace(shape=(3, 8, 8), normalize=Normalization())

    with pytest.raises(InputError, match=r"stimuli\.root=null: there is no data set to hold images out; give a folder"):
        transformed(weights, objects=2, views=2, seed=0)


@pytest.mark.skipif(not _STAMPS.is_dir(), reason="needs Debian's tuxpaint-stamps-default")
def test_real_cut_outs_are_seen_before_the_background() -> None:
    weights = SimpleNamespace(shape=(3, 48, 48), normalize=Normalization())
    ranges = {"background": 0, "position": 0.1, "size": [0.4, 0.6], "background_luminance": [0.0, 1.0]}

    stimuli: StimulusSet = transformed(weights, root=str(_STAMPS), objects=8, views=10, seed=0, transformations=ranges)

    corners = stimuli.pixels[:, :, 0, 0] / 255
    torch.testing.assert_close(
        corners, stimuli.parameters["background_luminance"][:, None].expand(-1, 3), atol=2e-3, rtol=0
    )
    of_objects = [stimuli.pixels[stimuli.labels == label].float().mean(0) for label in range(8)]
    assert min((a - b).abs().max() for a, b in combinations(of_objects, 2)) > 10
