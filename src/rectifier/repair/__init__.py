"""Repair: what is wrong inside a model that exists already, and another activation in its place.

Table of contents, in the order a model walks:

```
find       where a model's activations are: layers, attributes, plain calls      sites
tap        what passes through them, batch by batch                              sites
diagnose   dead, saturated, badly wired units: what, where, why, what to do      diagnosis
swap       another activation there, and the proof of its effect                 swapping
```
"""
