"""The room that answers "where next" and moves nothing: flows are read, checked and made into tables here."""
