"""Arguments as a source says them are those that Python finds."""

import inspect

import pytest
from hydra.utils import get_object

from pdtrain.commands.signatures import arguments_of, check_arguments
from pdtrain.errors import InputError


@pytest.mark.parametrize(
    "target",
    [
        "torch.optim.AdamW", "torch.optim.SGD", "torch.optim.lr_scheduler.OneCycleLR", "pytorch_lightning.Trainer",
        "pytorch_lightning.callbacks.ModelCheckpoint", "pdtrain.callbacks.Schedule",
        "pdtrain.probes.information_probe.InformationProbe", "pdtrain.training.models.small_vgg",
        "pdtrain.stimuli.sources.held_out",
    ],
)  # fmt: skip
def test_arguments_are_those_of_the_signature(target: str) -> None:
    assert arguments_of(target) == tuple(inspect.signature(get_object(target)).parameters)


def test_options_that_are_handed_on_are_those_of_the_base() -> None:
    found = arguments_of("pdtrain.training.image_sets.ImageFolderData")

    assert found is not None and {"root", "pixels", "batch_size", "flip"} <= {*found} and "options" not in found


@pytest.mark.parametrize(
    "target", ["pdtrain.loggers.wandb_logger.WandbLogger", "torch.nn.Linear", "torch.nowhere.X", "nowhere.x", "len", ""]
)
def test_what_a_source_does_not_tell_is_left_to_others(target: str) -> None:
    assert arguments_of(target) is None
    check_arguments({"_target_": target, "x": 1}, {})


def test_an_added_option_is_refused_by_its_key() -> None:
    choice = {"optimizer": {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 0.1}}
    given = {"optimizer": choice["optimizer"] | {"weight_deca": 1}}

    check_arguments(choice, choice)
    with pytest.raises(
        InputError, match=r"^optimizer\.weight_deca: no such argument of torch.optim.AdamW; did you mean"
    ):
        check_arguments(given, choice)


def test_what_stays_of_another_choice_is_refused_with_the_way_out() -> None:
    choice = {"model": {"network": {"_target_": "pdtrain.training.models.small_vgg", "widths": [4]}}}
    given = {"model": {"network": {"_target_": "pdtrain.training.models.mnist_cnn", "widths": [4]}}}

    with pytest.raises(InputError, match=r"^model\.network\.widths: .* takes no widths; begin from model=custom"):
        check_arguments(given, choice)
