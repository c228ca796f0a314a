"""The only room that speaks to Redis: every multi-key change is one script behind one typed function."""
