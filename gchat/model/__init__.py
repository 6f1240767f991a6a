"""The values that everything else speaks of, and what people read. Pure, and imports nothing of gchat."""
