"""The conformance kit: is an estimator fit to be compared?"""
