"""What was chosen of each group of the configuration, kept with it: names for what its keys say one by one."""

from hydra.conf import HydraConf
from omegaconf import DictConfig, open_dict

from pdtrain.results.configuration import CHOICES

_OF_HYDRA = "hydra/"


def keep_choices(config: DictConfig, hydra: HydraConf) -> None:
    """Add to a composed configuration what Hydra says was chosen, such as small_vgg of model."""
    chosen = {group: choice for group, choice in hydra.runtime.choices.items() if not group.startswith(_OF_HYDRA)}
    with open_dict(config):
        config[CHOICES] = chosen
