"""Life of a model version: verdict, canary, promotion, rollback, retirement."""
