"""The only room that speaks to Redis: one locksmith, every multi-key change one script behind one typed function."""
