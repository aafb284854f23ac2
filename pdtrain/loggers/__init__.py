"""Loggers that go on where they stopped, and what W&B is shown."""
