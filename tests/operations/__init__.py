"""What operators do: on the public surface."""
