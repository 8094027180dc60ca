"""An independent answer to tiny problems, and a source of random ones."""
