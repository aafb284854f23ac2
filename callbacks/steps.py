"""Whether a batch has made a step of the optimiser: with `accumulate_grad_batches`, several make one."""

import pytorch_lightning as lightning


def completes_step(trainer: lightning.Trainer) -> bool:
    """Tell whether the batch that ends now made a step, rather than adding its gradients to those of one to come."""
    batches = trainer.fit_loop.epoch_loop.batch_progress
    return batches.is_last_batch or batches.current.ready % trainer.accumulate_grad_batches == 0
