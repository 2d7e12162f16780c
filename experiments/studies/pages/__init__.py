"""What a study shows of itself: pictures, tables and a page."""
