import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact, hypergeom, random_table

from pdtrain.estimators.contingency import plugin_information
from pdtrain.estimators.permutation import permutation_law
from pdtrain.estimators.rare_rows import rare_row_p_values


def _balanced(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


def _uneven(total: int, parts: int) -> list[int]:
    shares = np.random.default_rng(1).dirichlet(np.ones(parts) * 2)
    sizes = np.maximum(1, np.round(shares * total)).astype(int)
    sizes[0] += total - sizes.sum()
    return sizes.tolist()


def _random_tables(rows: list[int], columns: list[int], number: int = 6000) -> torch.Tensor:
    return torch.from_numpy(random_table(rows, columns).rvs(number, random_state=np.random.default_rng(0))).double()


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([990, 10], _balanced(1000, 8)),
        ([970, 30], _balanced(1000, 100)),
        ([990, 10], _uneven(1000, 30)),
        ([700, 150, 150], _uneven(1000, 30)),
        (_balanced(1000, 8), _balanced(1000, 8)),
        (_balanced(300, 8), _uneven(300, 30)),
        ([500, 480, 20], _balanced(1000, 10)),
    ],
)
def test_mean_and_deviation_are_those_of_random_tables(rows: list[int], columns: list[int]) -> None:
    information = plugin_information(_random_tables(rows, columns))

    law = permutation_law(_random_tables(rows, columns, 1))

    error = float(information.std()) / 6000**0.5
    assert float(law.mean_bits[0]) == pytest.approx(float(information.mean()), abs=4 * error)
    assert float(law.deviation_bits[0]) == pytest.approx(float(information.std()), rel=0.05)


def test_the_law_is_the_same_for_the_turned_table() -> None:
    tables = _random_tables([70, 20, 10], [40, 30, 12, 9, 6, 3], 5)

    law, turned = permutation_law(tables), permutation_law(tables.transpose(1, 2))

    torch.testing.assert_close(law.mean_bits, turned.mean_bits)
    torch.testing.assert_close(law.deviation_bits, turned.deviation_bits)


@pytest.mark.parametrize(
    ("rare", "columns"), [(5, _balanced(300, 10)), (30, _balanced(900, 30)), (20, _uneven(400, 12))]
)
def test_rare_rows_have_the_p_values_of_a_permutation_test(rare: int, columns: list[int]) -> None:
    tables = _random_tables([sum(columns) - rare, rare], columns, 8000)
    information = plugin_information(tables)

    p_values = rare_row_p_values(tables[:150])

    shuffled = (information[None] >= information[:150, None] - 1e-12).double().mean(1)
    # the grid of the statistic puts neighbouring values together
    assert (p_values - shuffled).abs().max() < 0.09
    small = shuffled < 0.1
    assert (p_values[small] - shuffled[small]).abs().max() < 0.025


@pytest.mark.parametrize("rare", [1, 3, 7, 15, 33, 64])
def test_rare_rows_are_never_found_more_often_than_the_level(rare: int) -> None:
    tables = _random_tables([1000 - rare, rare], _balanced(1000, 10), 8000)

    p_values = rare_row_p_values(tables)

    # four standard errors of 8,000 tables above the level
    assert float((p_values <= 0.05).double().mean()) < 0.06
    assert float((p_values <= 0.01).double().mean()) < 0.0145


def test_other_tables_have_no_exact_p_value() -> None:
    assert rare_row_p_values(_random_tables([500, 500], _balanced(1000, 10), 3)).isnan().all()
    assert rare_row_p_values(_random_tables([980, 10, 10], _balanced(1000, 10), 3)).isnan().all()


@pytest.mark.parametrize(("row", "column", "stimuli"), [(50, 50, 100), (20, 50, 100), (60, 150, 300), (500, 500, 1000)])
def test_two_bins_of_two_values_have_the_p_value_of_fishers_exact_test(row: int, column: int, stimuli: int) -> None:
    tables = _random_tables([row, stimuli - row], [column, stimuli - column], 60)

    p_values = rare_row_p_values(tables)

    if 2 * row == stimuli or 2 * column == stimuli:  # where likelier and more informative tables are the same
        expected = [fisher_exact(table.numpy())[1] for table in tables]
        torch.testing.assert_close(p_values, torch.tensor(expected, dtype=torch.float64))
    found = float((p_values <= 0.05).double().mean())
    assert found <= 0.05 + 4 * (0.05 * 0.95 / 60) ** 0.5


@pytest.mark.parametrize(("rows", "columns"), [([990, 10], _uneven(1000, 30)), (_balanced(90, 8), _balanced(90, 8))])
def test_how_many_values_a_bin_meets_is_what_random_tables_meet(rows: list[int], columns: list[int]) -> None:
    tables = _random_tables(rows, columns)
    met = (tables > 0).sum(-1).double()

    expected = permutation_law(tables[0]).values_met

    error = met.std(0) / len(met) ** 0.5
    assert ((met.mean(0) - expected).abs() <= 4 * error + 1e-9).all()


def test_tables_of_other_totals_have_the_laws_that_they_have_alone() -> None:
    tables = torch.randint(0, 9, (40, 4, 5), generator=torch.Generator().manual_seed(0)).double()
    tables[3] = 0

    together = permutation_law(tables)

    for place, table in enumerate(tables):
        alone = permutation_law(table)
        for of in ("mean_bits", "deviation_bits", "values_met"):
            torch.testing.assert_close(getattr(together, of)[place], getattr(alone, of), rtol=1e-12, atol=1e-12)


def test_two_bins_of_two_values_are_counted_out_of_very_many_stimuli_too() -> None:
    row, column, stimuli, count = 30_000, 50_000, 100_000, 14_800
    table = torch.tensor([[count, row - count], [column - count, stimuli - row - column + count]]).double()

    # half of the stimuli have either value, so that either tail is as far
    assert float(rare_row_p_values(table)) == pytest.approx(2 * hypergeom.cdf(count, stimuli, row, column), rel=1e-6)
