"""Fault injection checked against a model: `stories chaos`.

Built like Jepsen: a seeded *generator* sends requests through the gateway and writes a numbered *history*; a seeded
*nemesis* injects faults; a *monitor* judges every response meanwhile. Then everything recovers and drains, and *checks*
compare the state of the system with the model that follows from the history.
"""
