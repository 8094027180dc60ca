"""What each section of the report says, one section a file; the templates only lay it out."""
