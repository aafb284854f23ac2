"""The commands `pdtrain-train`, `pdtrain-probe` and `pdtrain-report`, sweeps, and the shell around them."""
