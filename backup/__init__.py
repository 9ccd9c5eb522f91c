"""A catalogue as a folder of Parquet files and one manifest: written from any store, restored into any other."""
