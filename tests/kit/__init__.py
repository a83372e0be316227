"""Tools of the tests, documented so that they can be trusted."""
