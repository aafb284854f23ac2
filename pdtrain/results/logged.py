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
EVALUATED_ACCURACY = "train/accuracy_evaluated"  # of the finished network, in evaluation mode

# what Lightning hands to callbacks, which may monitor it
OF_EPOCHS = (VALIDATION_ACCURACY, VALIDATION_LOSS, TRAINING_ACCURACY, EPOCH_LOSS, EPOCH_SECONDS, EPOCH, STEP)
OF_TRAINING = (*OF_EPOCHS, LOSS, LEARNING_RATE, GRADIENT_NORM, PROBE_SECONDS, EVALUATED_ACCURACY)
