"""Figures and pages: every function returns an object, none shows it."""
