"""Fault injection with a model to compare: `stories chaos`.

Built as Jepsen is: a seeded *generator* drives the running stack through its gateway and writes a numbered *history*;
a seeded *nemesis* breaks things; a *monitor* judges every answer while that goes on; then everything heals, drains,
and *checks* compare what the system holds with the model that follows from the history.
"""
