"""Studies of ensembles and models: what is computed, and remembered beside the store; nothing here draws."""
