"""A process of its own that cuts the elements off when the node no longer beats.

It uses the standard library only, reads one file, and drives one line.
"""
