"""Training: a table in numbers, a network, a compiled program, an engine that runs tasks.

features    columns to numbers, learnt from training rows only
problem     everything about a table that training needs, in arrays
network     the networks as pure functions of their weights (convolutional, built_in)
program     many runs side by side in one compiled program
engine      fills the lanes with tasks, hands back finished runs
"""
