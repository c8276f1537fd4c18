"""`pyesdb demo`: flights out of New York as events, every figure checked (docs/howto/demo.md)."""
