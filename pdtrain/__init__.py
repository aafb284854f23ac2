"""pdtrain: train CNNs while measuring intrinsic dimension and unit information at every epoch and layer."""

__version__ = "0.2.0"
