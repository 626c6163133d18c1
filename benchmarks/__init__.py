"""`make bench`: what each operation costs, beside its bare limit in the same run.

A figure is a module in ``figures`` with a function marked ``@figure``; it returns results made by `compare`.
"""
