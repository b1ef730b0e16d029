"""Policy learning, in which the gradients of several estimators are put to use and compared."""
