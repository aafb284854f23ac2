"""Probes: stimuli and model in, tidy rows out; online and post-hoc probing share this path."""
