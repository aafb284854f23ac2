"""Activations: which layers, in what order and depth, and their responses to the stimuli."""
