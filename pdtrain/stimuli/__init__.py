"""Stimuli: rendered objects, images with known properties, and the sets shown to probe a network."""
