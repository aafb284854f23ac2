"""What libraries say at every start and no user of the commands can act upon: left out, each by name and for a reason.

Warnings that are not named here are shown.
"""

import logging
import os
import warnings

# beginnings of lines, by the logger that writes them
_LINES = {
    "pytorch_lightning.utilities.rank_zero": (
        "GPU available: False",  # where there is one and it is used, or not, that is said
        "TPU available: False",
        "💡 Tip:",  # advertises other packages
        "Loading `train_dataloader` to estimate number of stepping batches",  # of learning-rate schedules
        "`Trainer.fit` stopped: `max_epochs=",  # the training ended where it was to end
    ),
    # torch.compile looks for CUDA's compiler where there is no such device, and finds none
    "torch.utils.cpp_extension": ("No CUDA runtime is found",),
}
# beginnings of warnings, as regular expressions
_WARNINGS = (
    # Lightning 2.6 calls what torch 2.14 deprecates
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",
    # all that the commands log is of whole epochs, whatever trainer.log_every_n_steps is
    r"The number of training batches \(\d+\) is smaller than the logging interval",
    # where nothing is validated (trainer.limit_val_batches=0), there is no best checkpoint
    r"`ModelCheckpoint\(monitor='val/accuracy'\)` could not find the monitored key",
)


class _LeaveOut(logging.Filter):
    """Lets no line pass that begins in one of these ways."""

    def __init__(self, beginnings: tuple[str, ...]) -> None:
        super().__init__()
        self._beginnings = beginnings

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to show a line."""
        return not record.getMessage().startswith(self._beginnings)


def leave_out_noise() -> None:
    """Leave it out from now on, in this process and those that it starts."""
    # W&B's version, and a table of hundreds of its numbers at the end; where the run is at W&B is shown
    os.environ.setdefault("WANDB_QUIET", "true")
    if os.environ.get("WANDB_MODE") == "offline":
        leave_out_offline_noise()
    for logger, beginnings in _LINES.items():
        logging.getLogger(logger).addFilter(_LeaveOut(beginnings))
    for beginning in _WARNINGS:
        warnings.filterwarnings("ignore", beginning)


def leave_out_offline_noise() -> None:
    """Leave out what W&B says of a run without a server: where its files are is said at the end."""
    os.environ.setdefault("WANDB_SILENT", "true")
