"""Judging: from the scores of runs to one sentence with numbers.

metrics     every metric as contributions of rows
statistics  differences and their intervals
shrinkage   expected gains, and the chance that one is real
variation   what the scores of the search varied with
evidence    all numbers that a verdict rests on
verdict     the rules, and the sentence
outcome     arranges finished runs for all of these
"""
