"""Benchmarks of the whole programs; run them with scripts/bench."""
