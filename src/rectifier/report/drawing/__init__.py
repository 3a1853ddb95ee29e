"""What is drawn and said of one activation, before anything decides where.

curves    value and derivative as unbroken pieces, jumps found
facts     facts as short texts
formulas  value and derivative as cases along the line
typeset   formulas as text and as MathML
canvas    curves in a terminal
"""
