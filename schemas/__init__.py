"""What the data is: records, filters, the tree of classes and the collection layout, with no input or output."""
