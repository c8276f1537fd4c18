"""`verify` and `stats`: what is right is found right, what was broken is found and named."""
