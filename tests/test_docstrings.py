"""Estimators and properties have examples in their docstrings, which pytest runs beside the tests."""

import doctest
import importlib
import inspect
import pkgutil
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType

import pytest

import pdtrain.estimators
from pdtrain.stimuli.properties import PROPERTIES

_REFERENCE = sorted((Path(__file__).parents[1] / "docs" / "reference").glob("*.md"))
_INTERNAL = {"copies", "finite", "halvings", "moved_points"}  # what estimators are made of
_MODULES = {module.name for module in pkgutil.iter_modules(pdtrain.estimators.__path__)}


def _with_example(module: ModuleType) -> set[str]:
    """Names of what has an example that a search of the module finds, and so runs."""
    found = doctest.DocTestFinder().find(module)
    return {test.name.removeprefix(f"{module.__name__}.") for test in found if test.examples}


def _called_by_users(module: ModuleType) -> set[str]:
    """Functions and classes of the module itself; what they return is shown by their examples."""
    own = {
        name: inspect.unwrap(thing)
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    }
    return {
        name
        for name, thing in own.items()
        if inspect.isfunction(thing) or (inspect.isclass(thing) and not is_dataclass(thing))
    }


def test_examples_are_run(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getoption("doctestmodules") and "pdtrain" in pytestconfig.getini("testpaths")


def test_the_reference_names_every_module_of_estimators() -> None:
    assert sorted(f"::: pdtrain.estimators.{name}" for name in _MODULES - _INTERNAL) == sorted(
        line
        for page in _REFERENCE
        for line in page.read_text().splitlines()
        if line.startswith("::: pdtrain.estimators.")
    )


@pytest.mark.parametrize("name", sorted(_MODULES - _INTERNAL))
def test_every_estimator_has_an_example(name: str) -> None:
    module = importlib.import_module(f"pdtrain.estimators.{name}")
    called = _called_by_users(module)

    assert called and called - _with_example(module) == set()


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_has_an_example(name: str) -> None:
    for measure in filter(None, (PROPERTIES[name].whole, PROPERTIES[name].local)):
        assert measure.__name__ in _with_example(importlib.import_module(measure.__module__))
