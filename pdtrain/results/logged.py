"""Names of what training logs beside what is measured: keys in W&B, in metrics.csv, and of a sweep's metric."""

LOSS = "train/loss"  # of one step
EPOCH_LOSS = "train/loss_epoch"  # mean over an epoch
TRAINING_ACCURACY = "train/accuracy"
VALIDATION_LOSS = "val/loss"
VALIDATION_ACCURACY = "val/accuracy"
LEARNING_RATE = "train/learning_rate"
GRADIENT_NORM = "train/gradient_norm"
EPOCH_SECONDS = "time/epoch"
PROBE_SECONDS = "time/probe"
EPOCH = "epoch"  # epochs completed
STEP = "step"  # steps of the optimiser completed
