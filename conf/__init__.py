"""The Hydra configuration tree, installed as `pdtrain.conf`."""
