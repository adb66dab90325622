"""Skyrmions as particles: detection, triangulation on the torus, defects, order and grains."""
