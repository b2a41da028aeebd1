"""The templates of conformance rules, named as DECLARE names them where it does: each folds the log to a verdict."""
