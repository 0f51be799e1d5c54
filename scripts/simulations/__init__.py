"""Simulations of the tests on made-up runs."""
