"""The crash-point sweep: a fault before, after and instead of the reply at every store call of every operation.

Reading order: faults (a store that numbers its calls and fails at one of them), crank (a worker whose loops are turned
by hand), play (one scenario with one fault, and what a healthy worker makes of it), judge (what may not be), scenarios.
"""
