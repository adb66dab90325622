"""Monte Carlo: schedules, the engine for one lattice, and ensembles of them."""
