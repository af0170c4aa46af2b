"""From the DSP to the CSPs: what was accepted is safe, reaches its CSP in order, or goes back to its User."""
