"""What a batch brings about: a step of the optimiser, of which several make one with `accumulate_grad_batches`, or a
validation."""

import pytorch_lightning as lightning


def completes_step(trainer: lightning.Trainer) -> bool:
    """Tell whether the batch that ends now made a step, rather than adding its gradients to those of one to come."""
    batches = trainer.fit_loop.epoch_loop.batch_progress
    return batches.is_last_batch or batches.current.ready % trainer.accumulate_grad_batches == 0


def brings_validation(trainer: lightning.Trainer) -> bool:
    """Tell whether a validation comes after the batch that ends now, which Lightning leaves out if it begins there."""
    fetcher = trainer.fit_loop._data_fetcher
    return fetcher is not None and trainer.fit_loop.epoch_loop._should_check_val_fx(fetcher)
