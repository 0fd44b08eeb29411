"""Checking steps: what the checks use, the process they run in, and the report.

Only what runs inside that process imports MAX; the command line stays light.
"""
