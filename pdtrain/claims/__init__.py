"""What is claimed of a sweep, judged from its stored rows."""
