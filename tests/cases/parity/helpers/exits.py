raise SystemExit('from a helper')
