module pointsman.dev/perf

go 1.26
