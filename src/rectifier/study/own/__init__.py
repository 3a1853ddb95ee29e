"""Somebody's own code in a study: a training function, or a function that builds a network.

training    ``train=``: any code that trains with an activation, a rate and a seed, and scores
network     ``build=``: a function that builds a Keras model, and the engine that trains it
models      those models, and the rows that each run gets
keras_lanes, keras_single    its runs side by side, or one by one
"""
