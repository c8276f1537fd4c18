"""The contract suite: every promise of the API page, run over every target that exists."""
