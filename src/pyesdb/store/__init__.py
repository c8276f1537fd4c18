"""One store at run time: the lane, the applier, reads. See DESIGN.md."""
