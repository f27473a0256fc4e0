"""From a cell to what travels: read, measure, fit, decode."""
