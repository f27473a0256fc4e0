"""What was asked before, and what was answered: one file for all kernels of a user."""
