"""Report: figures and the HTML page made from a run's results."""
