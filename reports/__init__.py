"""Reports for people: HTML pages that stand alone, without anything fetched from elsewhere."""
