"""Where each microsecond of an event goes: `python -m loadtest.profiling`, which writes `loadtest/PROFILE.md`."""
