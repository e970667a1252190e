"""The life of a model version: verdict, canary, promotion, rollback, retirement."""
