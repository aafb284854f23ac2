"""When training changes a layer, on made-up courses."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pdtrain.claims.changes import half_way, over_training
from pdtrain.claims.declared import Quantity
from pdtrain.claims.groups import Group, groups_of

_ID = "intrinsic_dimension/two_nn/"
_DIMENSION = Quantity(probe="intrinsic_dimension", quantity="two_nn", scale="log")
_POINTS = ((0, 0), (0, 2), (0, 4), (1, 9), (1, 16), (2, 18))


@pytest.fixture
def group(write_run: Callable[..., Path]) -> Callable[..., Group]:
    """Runs whose last hidden layer takes these values at the points, and whose second is 20 all the time."""

    def make(*courses: tuple[float, ...]) -> Group:
        for seed, course in enumerate(courses):
            profiles = {
                point: {_ID: (10.0, 15.0, 20.0, 15.0, last, 5.0)} for point, last in zip(_POINTS, course, strict=True)
            }
            folder = write_run(profiles, seed=seed)
        return groups_of([folder.parent], {"main": {"experiment": "made"}})["main"]

    return make


def test_half_way_is_where_it_stays_beyond(group: Callable[..., Group]) -> None:
    # within the first epoch it goes there and back
    made = group((16.0, 4.0, 15.0, 7.0, 6.0, 4.0), (16.0, 15.0, 15.0, 15.0, 6.0, 4.0), (16.0, 15.0, 7.0, 7.0, 6.0, 4.0))

    last = half_way(made, [_DIMENSION]).set_index("place").loc["last"]

    assert (last["layer"], last["earliest"], last["median"], last["latest"]) == ("relu4", 4, 9, 16)
    assert last["first_epoch"] == 9
    after_first = np.mean(np.log([7 / 16, 15 / 16, 7 / 16]))
    assert last["in_first_epoch"] == pytest.approx(after_first / math.log(4 / 16))


def test_there_is_no_half_way_where_seeds_go_apart(group: Callable[..., Group]) -> None:
    made = group((16.0, 15.0, 14.0, 13.0, 12.0, 8.0), (16.0, 17.0, 18.0, 19.0, 20.0, 30.0))

    table = half_way(made, [_DIMENSION]).set_index("place")

    assert table[["earliest", "median", "latest", "in_first_epoch"]].isna().all(axis=None)


def test_the_course_is_that_of_the_highest_and_the_last_layer(group: Callable[..., Group]) -> None:
    made = group((16.0, 15.0, 14.0, 13.0, 12.0, 8.0), (16.0, 15.0, 14.0, 13.0, 12.0, 4.0))

    table = over_training(made, [_DIMENSION])

    assert list(table[table["place"] == "last"]["step"]) == [step for _, step in _POINTS]
    of_peak = table[table["place"] == "peak"]
    assert set(of_peak["layer"]) == {"relu2"} and (of_peak["change"] == 0).all()
    assert table["change"].iloc[-1] == pytest.approx(math.log(math.sqrt(32) / 16))
