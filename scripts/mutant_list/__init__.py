"""Weakenings that the tests must catch, a list for each part."""
