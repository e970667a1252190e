"""HTTP API: thin routes over the functions that the commands use. A key identifies the merchant."""
