"""Responses of recorded neurons: read from a table, measured by the same probes, areas in place of layers."""
