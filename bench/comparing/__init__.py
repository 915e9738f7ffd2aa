"""What bench/compare is made of: machine, data sets, tools, scenarios, report."""
