"""What a project looks like: its graph, and the documents made from it, for people and for other tools."""
