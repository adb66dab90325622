"""Physical observables of spin lattices: lazy, labelled, one function each."""
