"""What survives: commands that die at every file operation, writers that race, clusters that are killed.

``python -m harness.run`` (with ``PYTHONPATH=tests``) runs it all and writes ``benchmarks/results/robustness.json``;
``test_harness.py`` runs a sample.
"""
