"""When requests may leave: known limits, learned ones, shared by all processes of a machine."""
