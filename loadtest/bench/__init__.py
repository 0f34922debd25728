"""The benchmark: how fast the real service is, how much memory it takes, and what it is measured against.

Place in the flow: around it, from outside. Rules: everything runs on this machine with the embedded PostgreSQL, fsync on; load
comes from processes of its own, prepared before the clock runs; what a figure is compared with is measured in the same run; a
figure is the median of at least three rounds. `python -m loadtest.bench` runs all of it.
"""
