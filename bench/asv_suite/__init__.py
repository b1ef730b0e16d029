"""The benchmarks of asv, which measure the estimators and the systems of each commit.

All that measures them is today's (`build_command` of asv.conf.json), so that the numbers of
different commits are comparable, and older commits have all of them.
"""
