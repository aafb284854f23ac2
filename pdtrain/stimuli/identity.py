"""The property that every set of stimuli with labels has; what reads rows of it needs no images."""

IDENTITY = "identity"
