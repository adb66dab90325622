"""The latent space of trained models: what it encodes, and new lattices drawn from it."""
