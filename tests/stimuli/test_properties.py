import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pdtrain.errors import InputError
from pdtrain.stimuli.properties import PROPERTIES, Property
from pdtrain.stimuli.receptive_field import ReceptiveFields
from pdtrain.stimuli.stimulus_set import StimulusSet

_LOCAL = [name for name, known in PROPERTIES.items() if known.local]
_AXIS = torch.arange(64.0)
_ROWS, _COLUMNS = _AXIS[:, None].expand(64, 64), _AXIS[None, :].expand(64, 64)


def _measure(name: str, image: torch.Tensor) -> float:
    return float(PROPERTIES[name].whole(image[None, None])[0])


def _measure_locally(name: str, images: torch.Tensor, fields: ReceptiveFields) -> torch.Tensor:
    local = PROPERTIES[name].local
    assert local is not None
    return local(images, fields)


def _grating(degrees: float, cycles_per_pixel: float = 0.1) -> torch.Tensor:
    """Stripes along `degrees` counter-clockwise from the horizontal, as seen."""
    angle = math.radians(degrees)
    across = _COLUMNS * math.sin(angle) + _ROWS * math.cos(angle)
    return 0.5 + 0.4 * torch.sin(2 * math.pi * cycles_per_pixel * across)


def _disc(radius: float = 20.0) -> torch.Tensor:
    return (torch.hypot(_ROWS - 31.5, _COLUMNS - 31.5) < radius).float()


def test_ramp_has_mean_and_deviation_of_a_uniform_distribution() -> None:
    ramp = _COLUMNS / 63

    assert _measure("luminance", ramp) == pytest.approx(0.5, abs=1e-6)
    assert _measure("contrast", ramp) == pytest.approx(1 / math.sqrt(12), rel=0.02)
    assert _measure("dark_fraction", ramp) == pytest.approx(0.25, abs=0.01)
    assert _measure("bright_fraction", ramp) == pytest.approx(0.25, abs=0.01)
    assert _measure("curvature", ramp) == pytest.approx(0, abs=1e-4)
    assert _measure("entropy", ramp) == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 120, 165])
def test_grating_has_its_orientation(degrees: float) -> None:
    image = _grating(degrees)

    difference = (_measure("orientation", image) - math.radians(degrees)) % math.pi
    assert min(difference, math.pi - difference) < 0.03
    assert _measure("orientation_coherence", image) > 0.95


def test_grating_has_its_frequency() -> None:
    assert _measure("spatial_frequency", _grating(0, 0.125)) == pytest.approx(0.125, abs=0.005)


def test_checkerboard_has_corners_and_full_contrast() -> None:
    board = ((_ROWS // 8 + _COLUMNS // 8) % 2).float()

    assert _measure("luminance", board) == 0.5
    assert _measure("contrast", board) == 0.5
    assert _measure("corner_energy", board) > 10 * _measure("corner_energy", _grating(0))


def test_disc_has_its_area_symmetry_and_no_orientation() -> None:
    assert _measure("luminance", _disc()) == pytest.approx(math.pi * 400 / 4096, rel=0.02)
    assert _measure("symmetry", _disc()) == pytest.approx(1)
    assert _measure("orientation_coherence", _disc()) < 0.01
    assert _measure("curvature", _disc()) > _measure("curvature", _grating(0))


def test_colour_is_measured_only_where_there_is_any() -> None:
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0] = 1

    assert PROPERTIES["colourfulness"].whole(red) > 0.3
    assert PROPERTIES["colourfulness"].whole(torch.ones(1, 3, 8, 8)) == 0


@pytest.mark.parametrize("name", sorted(set(PROPERTIES) - {"orientation"}))
def test_uniform_image_has_finite_properties(name: str) -> None:
    assert torch.isfinite(PROPERTIES[name].whole(torch.full((2, 1, 16, 16), 0.5))).all()


def test_what_has_no_orientation_has_none_and_not_one_of_rounding_errors() -> None:
    blank = torch.full((3, 3, 24, 24), 1 / 3)
    blank[1] += 1e-7 * torch.rand(24, 24)
    blank[2] = _disc()[::2, ::2][:24, :24]  # blank in part
    images = torch.cat([blank, torch.ones(1, 3, 24, 24)])

    assert PROPERTIES["orientation"].whole(images).isnan().tolist() == [True, True, False, True]
    assert math.isnan(_measure("orientation", _disc())), "alike in all directions"


@pytest.mark.parametrize("degrees", [0, 45, 90])
def test_the_faintest_edge_of_an_8_bit_image_has_an_orientation(degrees: float) -> None:
    image = torch.full((64, 64), 100.0)
    image[(_COLUMNS - 32) * math.sin(math.radians(degrees)) + (_ROWS - 32) * math.cos(math.radians(degrees)) > 0.1] = (
        101
    )
    fields = ReceptiveFields(*(torch.tensor([v]) for v in (30, 35, 30, 35)))

    for angle in (
        _measure("orientation", image / 255),
        float(_measure_locally("orientation", image[None, None] / 255, fields)[0, 0]),
    ):
        difference = (angle - math.radians(degrees)) % math.pi
        assert min(difference, math.pi - difference) < 0.2


@pytest.mark.parametrize("name", _LOCAL)
@settings(deadline=None, max_examples=20)
@given(st.integers(0, 15), st.integers(5, 16), st.integers(0, 15), st.integers(5, 16), st.integers(0, 999))
def test_local_properties_equal_those_of_the_patch(
    name: str, top: int, rows: int, left: int, columns: int, seed: int
) -> None:
    images = torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(seed))
    fields = ReceptiveFields(*(torch.tensor([v]) for v in (top, top + rows, left, left + columns)))

    local = _measure_locally(name, images, fields)[:, 0]

    whole = PROPERTIES[name].whole(images[..., top : top + rows, left : left + columns])
    if period := PROPERTIES[name].period:
        difference = (local - whole) % period
        assert torch.minimum(difference, period - difference).max() < 1e-3
    else:
        torch.testing.assert_close(local, whole, atol=2e-6, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(set(_LOCAL) - {"orientation"}))
def test_a_field_of_one_pixel_or_none_has_finite_local_properties(name: str) -> None:
    fields = ReceptiveFields(*(torch.tensor(v) for v in ([4, 4], [5, 4], [7, 7], [8, 7])))

    assert torch.isfinite(_measure_locally(name, torch.rand(2, 1, 16, 16), fields)).all()


def test_a_field_that_is_blank_or_too_small_for_a_gradient_has_no_orientation() -> None:
    """Beside texture, whose integral leaves rounding errors in the blank part."""
    images = torch.rand(2, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    images[:, :, 100:150, 100:200] = 0.4
    sides = {
        "one pixel": (4, 5, 7, 8), "none": (4, 4, 7, 7), "two rows": (4, 6, 0, 30), "blank": (100, 150, 100, 200),
        "blank and small": (120, 123, 120, 123), "textured": (160, 170, 160, 170), "textured and small": (9, 12, 9, 12),
    }  # fmt: skip
    fields = ReceptiveFields(*torch.tensor(list(sides.values())).unbind(1))

    found = _measure_locally("orientation", images, fields)

    expected = [not name.startswith("textured") for name in sides]
    assert found.isnan().tolist() == [expected, expected]


def test_a_property_from_outside_is_one_like_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def hue(images: torch.Tensor) -> torch.Tensor:
        return 2 * math.pi * images.amax((1, 2, 3))

    pixels = torch.tensor([0.25, 0.5])[:, None, None, None].expand(2, 1, 4, 4)
    stimuli = StimulusSet(pixels, torch.tensor([0, 1]))
    with pytest.raises(InputError, match="hue: no such property"):
        stimuli.check_properties(["hue"])

    monkeypatch.setitem(PROPERTIES, "hue", Property(whole=hue, period=2 * math.pi, unit="radians"))

    stimuli.check_properties(["hue"])
    found = stimuli.property("hue")
    torch.testing.assert_close(found.values, torch.tensor([math.pi / 2, math.pi]))
    assert found.kind == "circular" and found.period == 2 * math.pi
    with pytest.raises(InputError, match="choose the local ones from luminance@receptive_field"):
        stimuli.check_properties(["hue@receptive_field"])
