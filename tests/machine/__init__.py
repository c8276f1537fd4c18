"""The machine at the level of commands and entries, the simulated log, replays, scenarios."""
