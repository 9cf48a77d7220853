"""One ZenML step per file, grouped by stage; each a few lines over `tabular`, `tracking` or `deployers`.

ZenML counts a step's outputs by its `return a, b`: several outputs are returned by name, never by passing on a tuple.
"""
