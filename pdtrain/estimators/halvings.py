"""How many halvings of the stimuli there are; what reads rows of them needs no tensors."""

GROUPS = 20
SPLITS = GROUPS - 1
