"""What is kept besides samples: batches, alarms, notes, events, and what could not be stored."""
